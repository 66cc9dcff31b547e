//! The bound of every wait.

use std::time::Duration;

use tokio::time;

/// The bound of every wait: many times what anything takes on a busy machine.
pub const PATIENCE: Duration = Duration::from_secs(20);

/// The time between two looks at a state that cannot be awaited.
pub const LOOK_AGAIN: Duration = Duration::from_millis(5);

/// Awaits a future, and panics after [`PATIENCE`] with the name of what it waited for.
pub async fn within<T>(what: &str, future: impl Future<Output = T>) -> T {
    time::timeout(PATIENCE, future)
        .await
        .unwrap_or_else(|_| panic!("still waiting after {PATIENCE:?}: {what}"))
}
