//! Certificates, made for each test. tests/interop uses this file too.

use rcgen::{
    BasicConstraints, CertificateParams, CertifiedIssuer, DnType, IsCa, KeyPair, date_time_ymd,
};

/// One that signs.
pub struct Authority(CertifiedIssuer<'static, KeyPair>);

/// A certificate and its key, in PEM.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Pair {
    pub cert: String,
    pub key: String,
}

/// When a certificate is valid.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum When {
    Now,
    Past,
    Future,
}

fn params(names: &[&str], when: When) -> CertificateParams {
    let names: Vec<_> = names.iter().map(|name| (*name).to_owned()).collect();
    let mut params = CertificateParams::new(names).unwrap();
    match when {
        When::Now => {}
        When::Past => params.not_after = date_time_ymd(2020, 1, 2),
        When::Future => params.not_before = date_time_ymd(3020, 1, 2),
    }
    params
}

// === impl Authority ===

impl Authority {
    pub fn new(name: &str) -> Self {
        let mut params = params(&[], When::Now);
        params.distinguished_name.push(DnType::CommonName, name);
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        Self(CertifiedIssuer::self_signed(params, KeyPair::generate().unwrap()).unwrap())
    }

    pub fn pem(&self) -> String {
        self.0.pem()
    }

    /// A certificate for these names and IP addresses.
    pub fn issue(&self, names: &[&str]) -> Pair {
        self.issue_for(names, When::Now)
    }

    pub fn issue_for(&self, names: &[&str], when: When) -> Pair {
        let key = KeyPair::generate().unwrap();
        let cert = params(names, when).signed_by(&key, &self.0).unwrap();
        Pair {
            cert: cert.pem(),
            key: key.serialize_pem(),
        }
    }
}

/// One that openssl and go-micro would make: signed by itself, and an authority's.
pub fn self_signed(names: &[&str], when: When) -> Pair {
    let key = KeyPair::generate().unwrap();
    let mut params = params(names, when);
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    Pair {
        cert: params.self_signed(&key).unwrap().pem(),
        key: key.serialize_pem(),
    }
}
