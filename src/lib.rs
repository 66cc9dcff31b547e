//! Answers Kubernetes probes on behalf of a go-micro service in the same pod.
//!
//! ```text
//!             GET /health                         Debug.Health  (gRPC or mucp)
//!  kubelet ────────────────▶  server ──▶ target ──────────────────────────────▶ service
//! ```
//!
//! The kubelet **probes** us, we **check** the target.
//!
//! Suggested reading order: [`args`] is everything that can be configured, [`app`]
//! is everything that runs, [`target`] is one check and [`unhealthy`] all that it can
//! find, [`server`] is how the kubelet asks, [`probe`] is one check and an exit code. [`debug`] is for Rust programs that
//! want to be checked, `config` is what a service finds set, `catalog` what Amalgam8 would see,
//! `registry` how go-micro finds services, `resolver` how others do by `kubernetes://`.

pub mod app;
pub mod args;
#[cfg(feature = "kubernetes")]
pub mod catalog;
#[cfg(feature = "kubernetes")]
pub mod cluster;
#[cfg(feature = "kubernetes")]
pub mod config;
pub mod debug;
mod fair;
pub mod health;
pub mod log;
pub mod monitor;
pub mod probe;
#[cfg(feature = "kubernetes")]
pub mod registry;
#[cfg(not(feature = "kubernetes"))]
#[path = "registry/absent.rs"]
pub mod registry;
#[cfg(feature = "kubernetes")]
pub mod resolver;
pub mod selector;
pub mod server;
pub mod signals;
pub mod subcommand;
pub mod target;
pub mod targets;
mod text;
pub mod unhealthy;

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
