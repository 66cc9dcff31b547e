//! The helpers of this test binary alone: `health` in a pod, and what the API server counts.

mod health;
mod metrics;
mod resolving;
mod sidecar;

pub use health::{Health, health};
pub use metrics::Metrics;
pub use resolving::{Resolving, resolve};
pub use sidecar::{SHIPPED, Sidecar};
