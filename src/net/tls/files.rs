//! The files of TLS: reads PEM into a configuration, and notices changes.

use std::fs;
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use rustls::client::{Resumption, WebPkiServerVerifier};
use rustls::crypto::{CryptoProvider, ring};
use rustls::pki_types::pem::{self, PemObject};
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::{ClientConfig, RootCertStore};

use crate::net::authorities::{Authorities, NoAuthorities};
use crate::net::tls::invalid::InvalidTls;
use crate::net::tls::options::Options;
use crate::net::tls::verifier::{LastExpiry, Verifier};

/// The files and settings that a configuration is made from.
#[derive(Debug)]
pub(super) struct Files {
    trust: Trust,
    /// The paths of the certificate and of the key.
    client: Option<(PathBuf, PathBuf)>,
    provider: Arc<CryptoProvider>,
    last_expiry: LastExpiry,
}

#[derive(Debug)]
enum Trust {
    Anyone,
    /// The system's authorities, read once: the image does not change under a running process.
    System(Arc<RootCertStore>),
    File(PathBuf),
}

/// The version of a file. Kubernetes swaps a symlink above the file, which gives another inode. A
/// write in place changes the time.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) struct FileVersion {
    device: u64,
    inode: u64,
    size: u64,
    changed: (i64, i64),
}

/// The versions of all files, `None` for a file that does not exist.
pub(super) type FileVersions = [Option<FileVersion>; 3];

const CA: &str = "tls_ca_cert";
const CERT: &str = "tls_client_cert";
const KEY: &str = "tls_client_key";

// === impl Files ===

impl Files {
    pub(super) fn new(options: &Options) -> Result<Self, InvalidTls> {
        let trust = match &options.tls_ca_cert {
            _ if options.tls_no_verify => Trust::Anyone,
            Some(path) => Trust::File(path.clone()),
            None => Trust::System(system_authorities()?),
        };
        Ok(Self {
            trust,
            client: options
                .tls_client_cert
                .clone()
                .zip(options.tls_client_key.clone()),
            provider: Arc::new(ring::default_provider()),
            last_expiry: LastExpiry::default(),
        })
    }

    /// Returns the expiry of the certificate that the service presented last.
    pub(super) fn last_expiry(&self) -> &LastExpiry {
        &self.last_expiry
    }

    pub(super) fn has_client_certificate(&self) -> bool {
        self.client.is_some()
    }

    /// Returns the versions of the files that [`Self::read`] would read.
    pub(super) fn versions(&self) -> FileVersions {
        let ca = match &self.trust {
            Trust::File(path) => version(path),
            Trust::Anyone | Trust::System(_) => None,
        };
        let client = self.client.as_ref();
        [
            ca,
            client.and_then(|(cert, _)| version(cert)),
            client.and_then(|(_, key)| version(key)),
        ]
    }

    /// Reads all files into a configuration.
    pub(super) fn read(&self) -> Result<ClientConfig, InvalidTls> {
        let setup = |error: rustls::Error| InvalidTls::Setup(error.to_string());
        let builder = ClientConfig::builder_with_provider(Arc::clone(&self.provider))
            .with_safe_default_protocol_versions()
            .map_err(setup)?
            .dangerous()
            .with_custom_certificate_verifier(Arc::new(self.verifier()?));
        let mut config = match &self.client {
            None => builder.with_no_client_auth(),
            Some((cert, key)) => {
                let chain = certificates(CERT, cert)?;
                let key_der = PrivateKeyDer::from_pem_slice(&contents(KEY, key)?)
                    .map_err(|error| refuse(KEY, key, pem_error(&error, "private key")))?;
                builder
                    .with_client_auth_cert(chain, key_der)
                    .map_err(|error| refuse(KEY, key, key_error(&error, cert)))?
            }
        };
        // A resumed session is not verified again, so an expired certificate would stay unnoticed
        // for as long as the service takes its tickets.
        config.resumption = Resumption::disabled();
        Ok(config)
    }

    fn verifier(&self) -> Result<Verifier, InvalidTls> {
        let (roots, trusted) = match &self.trust {
            Trust::Anyone => (None, Vec::new()),
            Trust::System(roots) => (Some(Arc::clone(roots)), Vec::new()),
            Trust::File(path) => {
                let pem = contents(CA, path)?;
                let found = Authorities::read(path, &pem).map_err(|error| {
                    let why = match error {
                        NoAuthorities::Pem(error) => pem_error(&error, "certificate"),
                        NoAuthorities::Certificate(error) => error.to_string(),
                    };
                    refuse(CA, path, why)
                })?;
                (Some(Arc::new(found.roots)), found.certificates)
            }
        };
        let chain = roots.map(|roots| {
            WebPkiServerVerifier::builder_with_provider(roots, Arc::clone(&self.provider)).build()
        });
        Ok(Verifier {
            chain: chain
                .transpose()
                .map_err(|error| InvalidTls::Setup(error.to_string()))?,
            trusted,
            algorithms: self.provider.signature_verification_algorithms,
            last_expiry: self.last_expiry.clone(),
        })
    }
}

fn system_authorities() -> Result<Arc<RootCertStore>, InvalidTls> {
    let found = rustls_native_certs::load_native_certs();
    let mut roots = RootCertStore::empty();
    let (added, _) = roots.add_parsable_certificates(found.certs);
    if added == 0 {
        let why = found.errors.first();
        let why = why.map_or_else(String::new, |error| format!(" ({error})"));
        return Err(InvalidTls::NoAuthorities(why));
    }
    Ok(Arc::new(roots))
}

fn version(path: &Path) -> Option<FileVersion> {
    let metadata = fs::metadata(path).ok()?;
    Some(FileVersion {
        device: metadata.dev(),
        inode: metadata.ino(),
        size: metadata.size(),
        changed: (metadata.ctime(), metadata.ctime_nsec()),
    })
}

fn certificates(
    flag: &'static str,
    path: &Path,
) -> Result<Vec<CertificateDer<'static>>, InvalidTls> {
    let pem = contents(flag, path)?;
    let certificates = CertificateDer::pem_slice_iter(&pem)
        .collect::<Result<Vec<_>, _>>()
        .and_then(|certificates| match certificates.len() {
            0 => Err(pem::Error::NoItemsFound),
            _ => Ok(certificates),
        });
    certificates.map_err(|error| refuse(flag, path, pem_error(&error, "certificate")))
}

fn contents(flag: &'static str, path: &Path) -> Result<Vec<u8>, InvalidTls> {
    fs::read(path).map_err(|error| refuse(flag, path, error.to_string()))
}

fn refuse(flag: &'static str, path: &Path, why: String) -> InvalidTls {
    let path = path.display().to_string();
    InvalidTls::File { flag, path, why }
}

fn pem_error(error: &pem::Error, what: &str) -> String {
    match error {
        pem::Error::NoItemsFound => format!("there is no {what} in PEM in it"),
        // The other texts quote the file, and one of the files is a key.
        pem::Error::MissingSectionEnd { .. } => "the PEM ends in the middle".to_owned(),
        pem::Error::IllegalSectionStart { .. } | pem::Error::Base64Decode(_) => {
            "it is not well-formed PEM".to_owned()
        }
        error => error.to_string(),
    }
}

fn key_error(error: &rustls::Error, cert: &Path) -> String {
    match error {
        rustls::Error::InconsistentKeys(_) => {
            format!("it is not the key of --{CERT}={}", cert.display())
        }
        error => error.to_string(),
    }
}
