//! The registration of a build without the feature `kubernetes`: there is none.

use std::time::Duration;

use super::status::Status;

/// Of nothing: never made.
#[derive(Clone, Debug)]
pub enum Handle {}

/// What a preStop hook came to.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum PreStop {}

// === impl Handle ===

impl Handle {
    /// How it stands.
    pub fn status(&self) -> Status {
        match *self {}
    }

    /// Resolves when the pod was told to go.
    #[expect(clippy::unused_async, reason = "as the other one")]
    pub async fn ending(&self) {
        match *self {}
    }

    /// Takes everything away.
    #[expect(clippy::unused_async, reason = "as the other one")]
    pub async fn stop(&self, _: Duration) -> bool {
        match *self {}
    }

    /// A preStop hook.
    #[expect(clippy::unused_async, reason = "as the other one")]
    pub async fn prestop(&self, _: Duration) -> PreStop {
        match *self {}
    }
}
