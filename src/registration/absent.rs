//! A stand-in for the registration in a build without the feature `kubernetes`, which has none.

use std::time::Duration;

use super::status::Status;

/// A handle that is never made, because there is no registration.
#[derive(Clone, Debug)]
pub enum Handle {}

// === impl Handle ===

impl Handle {
    /// Returns the status of the registration.
    pub fn status(&self) -> Status {
        match *self {}
    }

    /// Resolves when the registration begins to end.
    #[expect(clippy::unused_async, reason = "the other build's is async")]
    pub async fn ending(&self) {
        match *self {}
    }

    /// Ends the registration, and returns whether that was done in time.
    #[expect(clippy::unused_async, reason = "the other build's is async")]
    pub async fn stop(&self, _: Duration) -> bool {
        match *self {}
    }
}
