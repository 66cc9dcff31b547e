//! Answers Kubernetes probes on behalf of a go-micro service in the same pod.
//!
//! ```text
//!             GET /health                         Debug.Health  (gRPC or mucp)
//!  kubelet ────────────────▶  server ──▶ target ──────────────────────────────▶ service
//! ```
//!
//! The kubelet **probes** us, we **check** the target.
//!
//! Begin with [`app`], everything that runs, and [`check`], one check and its verdict. [`server`]
//! answers the kubelet, [`cli`] has the commands. [`debug`] is for Rust programs that want to be
//! checked; `registry`, `resolver`, `catalog` and `config` read and write what Kubernetes knows.

pub mod app;
#[cfg(feature = "kubernetes")]
pub mod catalog;
pub mod check;
pub mod cli;
#[cfg(feature = "kubernetes")]
pub mod cluster;
#[cfg(feature = "kubernetes")]
pub mod config;
pub mod debug;
pub mod flags;
pub mod net;
pub mod registration;
#[cfg(feature = "kubernetes")]
pub mod registry;
#[cfg(feature = "kubernetes")]
pub mod resolver;
pub mod server;
mod text;

/// How requests to the target introduce themselves.
pub const USER_AGENT: &str = concat!("micro-health/", env!("CARGO_PKG_VERSION"));

/// What `--version` prints: version, commit, features.
pub const VERSION: &str = concat!(
    env!("CARGO_PKG_VERSION"),
    " (commit ",
    env!("MICRO_HEALTH_COMMIT"),
    ", features: ",
    env!("MICRO_HEALTH_FEATURES"),
    ")"
);
