//! TLS to the service (feature `tls`).
//!
//! ```text
//! options ──▶ files: PEM to a configuration ──▶ client: handshakes, re-reads what changed
//!                      │                          │
//!                      ▼                          ▼
//!                   verifier: whom to trust    refusal (pure): what went wrong, in words
//!                      │
//!                      ▼
//!                   expiry (pure): until when
//! ```

pub mod options;

#[cfg(feature = "tls")]
mod client;
#[cfg(feature = "tls")]
mod expiry;
#[cfg(feature = "tls")]
mod files;
#[cfg(feature = "tls")]
mod refusal;
#[cfg(feature = "tls")]
mod verifier;
#[cfg(feature = "tls")]
pub use client::Tls;

#[cfg(not(feature = "tls"))]
mod absent;
#[cfg(not(feature = "tls"))]
pub use absent::Tls;

/// Why TLS cannot be spoken as the flags say.
#[derive(Debug, thiserror::Error)]
pub enum InvalidTls {
    /// A file cannot be used.
    #[error("--{flag}={path}: {why}")]
    File {
        /// The flag that names it.
        flag: &'static str,
        /// The file.
        path: String,
        /// What is wrong with it.
        why: String,
    },
    /// No name to expect in the certificate.
    #[error("{0:?} can stand in no certificate: set --tls_server_name")]
    Name(String),
    /// Nothing to verify the service by.
    #[error(
        "there are no certificate authorities in this image{0}: give the service's own by --tls_ca_cert"
    )]
    NoAuthorities(String),
    /// The TLS library refused; no flag is known to cause it.
    #[error("TLS cannot be set up: {0}")]
    Setup(String),
}
