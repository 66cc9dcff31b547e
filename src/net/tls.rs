//! TLS to the service (feature `tls`).
//!
//! ```text
//! options ──▶ files: PEM to a configuration ──▶ client: handshakes, re-reads changed files
//!                      │                          │
//!                      ▼                          ▼
//!                   verifier: which to trust    refusal (pure): the texts of errors
//!                      │
//!                      ▼
//!                   expiry (pure): end of validity
//! ```

mod invalid;
pub(crate) mod options;

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
pub(crate) use client::Tls;

#[cfg(not(feature = "tls"))]
mod disabled;
#[cfg(not(feature = "tls"))]
pub use disabled::Tls;

pub use self::invalid::InvalidTls;
