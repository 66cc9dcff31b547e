#![doc = include_str!("../README.md")]

pub mod pb;

mod health;
mod service;

pub use self::health::Health;
pub use self::service::DebugService;

/// Returns a `Debug` service that answers "ok", and the handle that changes its answer.
///
/// Clones of the service share the handle.
pub fn service() -> (Health, DebugService) {
    let health = Health::new();
    (health.clone(), DebugService::new(health))
}
