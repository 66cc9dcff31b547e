//! Makes one unary gRPC call at a time over one kept HTTP/2 connection.
//!
//! Uses h2 directly, because a verdict needs the exact behaviour of the peer: the stream error, a
//! missing grpc-status, a body cut short. tonic's client turns all of that into statuses that a
//! server could have sent itself.

use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use self::answer::Answer;
use self::call::{Call, CallError};
use self::connection::{CallFailure, Connection};

pub(crate) mod answer;
pub(crate) mod call;
mod connection;
mod settings_detector;

/// The gRPC client of one target, which reuses its connection.
#[derive(Debug)]
pub(crate) struct Client {
    kept: Mutex<Option<Connection>>,
    max_age: Duration,
}

/// The age at which a kept connection is replaced. A service that no longer listens still answers
/// on an old connection, so a kept one alone would hide that new clients are refused.
pub const MAX_AGE: Duration = Duration::from_secs(30);

// === impl Client ===

impl Default for Client {
    /// Keeps a connection for [`MAX_AGE`].
    fn default() -> Self {
        Self::new(MAX_AGE)
    }
}

impl Client {
    /// Keeps a connection for `max_age`, and then dials anew.
    pub(crate) fn new(max_age: Duration) -> Self {
        Self {
            kept: Mutex::default(),
            max_age,
        }
    }

    /// Makes one call.
    ///
    /// A kept connection may have died since the last check, which shows only when it is used. Then
    /// the call is made once more on a new connection, so that a restarted service is healthy at
    /// the first check.
    ///
    /// # Errors
    ///
    /// Returns a [`CallError`]. After it, or when this future is dropped, the next call dials anew.
    pub(crate) async fn call(&self, call: &Call<'_>) -> Result<Answer, CallError> {
        let kept = self.lock().take();
        // A connection that is too old is closed by being dropped.
        if let Some(connection) = kept.filter(|kept| kept.age() < self.max_age) {
            match self.call_on(connection, call).await {
                Err(CallFailure {
                    unprocessed: true, ..
                }) => {}
                result => return result.map_err(|failure| failure.error),
            }
        }
        let connection = Connection::open(call.dialer, call.deadline).await?;
        self.call_on(connection, call)
            .await
            .map_err(|failure| failure.error)
    }

    async fn call_on(
        &self,
        mut connection: Connection,
        call: &Call<'_>,
    ) -> Result<Answer, CallFailure> {
        let answer = connection.call(call).await?;
        *self.lock() = Some(connection);
        Ok(answer)
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, Option<Connection>> {
        self.kept.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
