//! The sidecar under test, those who ask it, and what it asks.

use std::time::Duration;

use tokio::time;

#[cfg(feature = "kubernetes")]
pub mod api_server;
pub mod client;
pub mod descriptors;
pub mod frames;
pub mod kubelet;
#[cfg(feature = "kubernetes")]
pub mod one_pod;
#[cfg(feature = "kubernetes")]
pub mod probes;
pub mod process;
pub mod scripts;
pub mod service;
pub mod sidecar;
#[cfg(feature = "kubernetes")]
pub mod slice_server;

/// Bounds every await: many times what anything here takes on a busy machine.
pub const PATIENCE: Duration = Duration::from_secs(10);

/// The name that every sidecar here is told.
pub const NAME: &str = "greeter";

/// Awaits with a bound.
pub async fn within<T>(what: &str, future: impl Future<Output = T>) -> T {
    time::timeout(PATIENCE, future)
        .await
        .unwrap_or_else(|_| panic!("still waiting after {PATIENCE:?}: {what}"))
}
