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

mod invalid;
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

pub use self::invalid::InvalidTls;
