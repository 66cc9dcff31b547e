//! Runs some work once for all callers that want its result at the same time.

use std::fmt;
use std::future::pending;
use std::panic::resume_unwind;
use std::sync::{Mutex, PoisonError};

use futures_util::FutureExt as _;
use futures_util::future::{BoxFuture, Shared};
use tokio::task::JoinError;

/// A piece of work that runs at most once at a time. Callers join the run in flight.
pub(super) struct SingleFlight<T>(Mutex<Option<Run<T>>>);

/// A run that has begun, and may be over.
pub(super) type Run<T> = Shared<BoxFuture<'static, T>>;

// === impl SingleFlight ===

impl<T: Clone + Send + Sync + 'static> SingleFlight<T> {
    /// Joins the run in flight, or starts one. Needs a runtime.
    ///
    /// A run is a task of its own and goes on without its callers. Otherwise a client that leaves
    /// at once could end it again and again.
    pub(super) fn join<F>(&self, start: impl FnOnce() -> F) -> Run<T>
    where
        F: Future<Output = T> + Send + 'static,
    {
        // No code panics while holding the lock, and the value would be whole anyway.
        let mut in_flight = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let joined = in_flight.as_ref().filter(|run| run.peek().is_none());
        joined.cloned().unwrap_or_else(|| {
            let run = tokio::spawn(start()).then(ended).boxed().shared();
            *in_flight = Some(run.clone());
            run
        })
    }
}

impl<T> Default for SingleFlight<T> {
    fn default() -> Self {
        Self(Mutex::default())
    }
}

impl<T> fmt::Debug for SingleFlight<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("SingleFlight")
    }
}

/// Returns the result of a task, and passes its panic on.
async fn ended<T>(outcome: Result<T, JoinError>) -> T {
    match outcome.map_err(JoinError::try_into_panic) {
        Ok(result) => result,
        Err(Ok(panic)) => resume_unwind(panic),
        // The runtime is shutting down, so no caller waits any more.
        Err(Err(_)) => pending().await,
    }
}
