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
    #[error("{0:?} cannot be the name in a certificate; set --tls_server_name")]
    Name(String),
    /// No certificate authority to verify the service by.
    #[error(
        "this image has no certificate authorities{0}; give the service's CA with --tls_ca_cert"
    )]
    NoAuthorities(String),
    /// The TLS library refused; no flag is known to cause it.
    #[error("TLS cannot be set up: {0}")]
    Setup(String),
}
