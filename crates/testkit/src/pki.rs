//! A maker of certificate authorities and certificates for each test.

use std::sync::Arc;

use rcgen::{
    BasicConstraints, CertificateParams, CertifiedIssuer, DnType, IsCa, KeyPair, date_time_ymd,
};
use rustls::ServerConfig;
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use tokio_rustls::TlsAcceptor;

/// A certificate authority.
#[derive(Debug)]
pub struct Authority(CertifiedIssuer<'static, KeyPair>);

/// A certificate and its key, in PEM.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Pair {
    /// The certificate.
    pub cert: String,
    /// The private key.
    pub key: String,
}

/// The time in which a certificate is valid.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Validity {
    /// The certificate is valid now.
    Current,
    /// The certificate has expired.
    Expired,
    /// The certificate is not valid yet.
    Future,
}

/// Makes a certificate that is its own authority, as openssl and go-micro do.
pub fn self_signed(names: &[&str], validity: Validity) -> Pair {
    let key = key();
    let mut params = params(names, validity);
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    let cert = params.self_signed(&key).expect("a key must sign");
    Pair {
        cert: cert.pem(),
        key: key.serialize_pem(),
    }
}

/// Returns the PEM of a new authority, and the acceptor for HTTP/2 with its certificate.
pub(crate) fn acceptor(authority: &str) -> (String, TlsAcceptor) {
    let authority = Authority::new(authority);
    let pair = authority.issue(&["127.0.0.1"]);
    let certificate = CertificateDer::from_pem_slice(pair.cert.as_bytes());
    let key = PrivateKeyDer::from_pem_slice(pair.key.as_bytes());
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let mut config = ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .expect("ring must have the versions")
        .with_no_client_auth()
        .with_single_cert(
            vec![certificate.expect("it must be PEM")],
            key.expect("it must be PEM"),
        )
        .expect("the pair must belong together");
    config.alpn_protocols = vec![b"h2".to_vec()];
    (authority.pem(), TlsAcceptor::from(Arc::new(config)))
}

fn key() -> KeyPair {
    KeyPair::generate().expect("ring must make a key")
}

fn params(names: &[&str], validity: Validity) -> CertificateParams {
    let names: Vec<_> = names.iter().map(|name| (*name).to_owned()).collect();
    let mut params = CertificateParams::new(names).expect("the names must be valid");
    match validity {
        Validity::Current => {}
        Validity::Expired => params.not_after = date_time_ymd(2020, 1, 2),
        Validity::Future => params.not_before = date_time_ymd(3020, 1, 2),
    }
    params
}

// === impl Authority ===

impl Authority {
    /// Makes an authority of this common name.
    pub fn new(name: &str) -> Self {
        let mut params = params(&[], Validity::Current);
        params.distinguished_name.push(DnType::CommonName, name);
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        Self(CertifiedIssuer::self_signed(params, key()).expect("a key must sign"))
    }

    /// Returns the authority's own certificate, in PEM.
    pub fn pem(&self) -> String {
        self.0.pem()
    }

    /// Issues a certificate for these names and IP addresses.
    pub fn issue(&self, names: &[&str]) -> Pair {
        self.issue_for(names, Validity::Current)
    }

    /// Issues a certificate that is valid at another time.
    pub fn issue_for(&self, names: &[&str], validity: Validity) -> Pair {
        let key = key();
        let cert = params(names, validity)
            .signed_by(&key, &self.0)
            .expect("an authority must sign");
        Pair {
            cert: cert.pem(),
            key: key.serialize_pem(),
        }
    }
}
