//! The status that the service answers with.

use std::sync::{Arc, PoisonError, RwLock};

/// A handle that sets the status of its [`DebugService`](crate::DebugService).
#[derive(Clone, Debug)]
pub struct Health(Arc<RwLock<String>>);

// === impl Health ===

impl Health {
    /// The status that clients accept as healthy.
    pub(crate) const OK: &str = "ok";

    pub(crate) fn new() -> Self {
        Self(Arc::new(RwLock::new(Self::OK.to_owned())))
    }

    /// Sets the status of every answer from now on.
    ///
    /// Clients take exactly "ok" for healthy. Any other text is unhealthy, and the sidecar shows
    /// it to people, so it should name the reason.
    pub fn set(&self, status: impl Into<String>) {
        // The text is made before the lock is held.
        let status = status.into();
        *self.0.write().unwrap_or_else(PoisonError::into_inner) = status;
    }

    /// Returns the current status.
    pub(crate) fn status(&self) -> String {
        self.0
            .read()
            .unwrap_or_else(PoisonError::into_inner)
            .clone()
    }
}
