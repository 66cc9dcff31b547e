//! Keeps the registration of the sidecar's own pod up to date.
//!
//! ```text
//!  monitor ── verdict ──▶ run ──▶ state (pure: event -> action) ──▶ registry::plan (pure: pod + wanted -> patch)
//!  own_pod ── the pod ──▶  │
//!  handle  ── stop, preStop ▶ └── PATCH, wait, read ──▶ own_pod ──▶ cluster ──▶ API server
//! ```
//!
//! [`status`] is shown by the pages and the metrics. [`Handle`] reads it and ends the registration.
//! A build without the feature `kubernetes` has only these two.

#[cfg(not(feature = "kubernetes"))]
mod absent;
#[cfg(feature = "kubernetes")]
pub mod address;
#[cfg(feature = "kubernetes")]
pub mod handle;
#[cfg(feature = "kubernetes")]
pub mod identity;
#[cfg(feature = "kubernetes")]
pub mod options;
#[cfg(feature = "kubernetes")]
pub mod own_pod;
#[cfg(feature = "kubernetes")]
pub mod records;
#[cfg(feature = "kubernetes")]
pub mod report;
#[cfg(feature = "kubernetes")]
pub mod run;
#[cfg(feature = "kubernetes")]
pub mod state;
pub mod status;

#[cfg(not(feature = "kubernetes"))]
pub use self::absent::{Handle, PreStop};
#[cfg(feature = "kubernetes")]
pub use self::handle::{Handle, PreStop};
