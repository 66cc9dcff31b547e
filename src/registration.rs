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
pub(crate) mod address;
#[cfg(feature = "kubernetes")]
pub(crate) mod handle;
#[cfg(feature = "kubernetes")]
pub(crate) mod identity;
#[cfg(feature = "kubernetes")]
pub(crate) mod options;
#[cfg(feature = "kubernetes")]
pub mod own_pod;
#[cfg(feature = "kubernetes")]
pub(crate) mod records;
#[cfg(feature = "kubernetes")]
pub(crate) mod report;
#[cfg(feature = "kubernetes")]
mod requests;
#[cfg(feature = "kubernetes")]
pub(crate) mod run;
#[cfg(feature = "kubernetes")]
pub(crate) mod state;
pub(crate) mod status;

#[cfg(not(feature = "kubernetes"))]
pub use self::absent::Handle;
#[cfg(feature = "kubernetes")]
pub(crate) use self::handle::{Handle, PreStop};
