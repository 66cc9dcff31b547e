//! Decides which certificates to trust: those of webpki, a self-signed one in the CA file, or any.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::SystemTime;

use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::client::{WebPkiServerVerifier, verify_server_name};
use rustls::crypto::{WebPkiSupportedAlgorithms, verify_tls12_signature, verify_tls13_signature};
use rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use rustls::server::ParsedCertificate;
use rustls::{CertificateError, DigitallySignedStruct, Error, SignatureScheme};

use crate::net::tls::expiry;

/// The verifier of a service's certificate.
#[derive(Debug)]
pub(super) struct Verifier {
    /// Checks the chain, the dates and the name; `None` for `--tls_no_verify`.
    pub(super) chain: Option<Arc<WebPkiServerVerifier>>,
    /// The certificates of the CA file.
    pub(super) trusted: Vec<CertificateDer<'static>>,
    /// The algorithms for the signature of the handshake, which is checked in every case.
    pub(super) algorithms: WebPkiSupportedAlgorithms,
    pub(super) last_expiry: LastExpiry,
}

/// The end of validity of the certificate that the service presented last, accepted or not. All
/// verifiers of one service share it.
#[derive(Clone, Debug, Default)]
pub(super) struct LastExpiry(Arc<Mutex<Option<SystemTime>>>);

// === impl Verifier ===

impl ServerCertVerifier for Verifier {
    fn verify_server_cert(
        &self,
        end_entity: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        server_name: &ServerName<'_>,
        ocsp_response: &[u8],
        now: UnixTime,
    ) -> Result<ServerCertVerified, Error> {
        self.last_expiry.record(end_entity);
        let Some(chain) = &self.chain else {
            return Ok(ServerCertVerified::assertion());
        };
        let verified =
            chain.verify_server_cert(end_entity, intermediates, server_name, ocsp_response, now);
        match verified {
            Err(error) if is_ca(&error) && self.trusted.contains(end_entity) => {
                verify_server_name(&ParsedCertificate::try_from(end_entity)?, server_name)?;
                Ok(ServerCertVerified::assertion())
            }
            verified => verified,
        }
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        verify_tls12_signature(message, cert, dss, &self.algorithms)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        verify_tls13_signature(message, cert, dss, &self.algorithms)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.algorithms.supported_schemes()
    }
}

// === impl LastExpiry ===

impl LastExpiry {
    pub(super) fn get(&self) -> Option<SystemTime> {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn record(&self, certificate: &CertificateDer<'_>) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = expiry::not_after(certificate);
    }
}

/// Returns true if webpki rejects a CA's certificate in the place of a service's, which it does
/// after it has checked the dates. openssl and go-micro make self-signed certificates as CA
/// certificates, and Go's clients accept them if they are in the CA file.
pub(super) fn is_ca(error: &Error) -> bool {
    match error {
        // The type of webpki's own error is not part of rustls' interface.
        Error::InvalidCertificate(CertificateError::Other(other)) => {
            other.to_string() == "CaUsedAsEndEntity"
        }
        _ => false,
    }
}
