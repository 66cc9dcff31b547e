//! The options of TLS that cannot be used.

/// The reason why TLS cannot be used as the flags ask.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum InvalidTls {
    /// A file cannot be used.
    #[error("--{flag}={path}: {why}")]
    File {
        /// The flag that names it.
        flag: &'static str,
        /// The file.
        path: String,
        /// The reason why it cannot be used.
        why: String,
    },
    /// No name to expect in the certificate.
    #[error("{0:?} can stand in no certificate: set --tls_server_name")]
    Name(String),
    /// No certificate authority to verify the service by.
    #[error(
        "there are no certificate authorities in this image{0}: give the service's own by --tls_ca_cert"
    )]
    NoAuthorities(String),
    /// The TLS library refused; no flag is known to cause it.
    #[error("TLS cannot be set up: {0}")]
    Setup(String),
}
