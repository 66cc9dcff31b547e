//! The helpers of this test binary: `health` in a pod, and the metrics of the API server.

pub mod documented;
mod health;
mod metrics;
mod pod;
mod running_resolver;
mod sidecar;

pub use health::{Health, health};
pub use metrics::Metrics;
pub use pod::{keys, version};
pub use running_resolver::{RunningResolver, resolve};
pub use sidecar::{SHIPPED, Sidecar};
