//! The answer to `/prestop`, an httpGet preStop hook of the service's container.
//!
//! | the pod                              | answer                 |
//! |--------------------------------------|------------------------|
//! | nothing is registered by us          | 200 `NOT_REGISTERED`   |
//! | has a deletionTimestamp              | 200 `DEREGISTERED`     |
//! | the same, and the API server is late | 503 `STILL_REGISTERED` |
//! | has none: a container restarts       | 409 `NOT_TERMINATING`  |
//! | cannot be read                       | 503 `UNKNOWN`          |
//! | too many requests wait already       | 503 `BUSY`             |
//!
//! The kubelet runs the hook before it stops a container for any reason, and any client may send
//! the request. So the registration ends only if the pod itself has a deletionTimestamp. The answer
//! is delayed until clients have had time to notice, because the service gets its SIGTERM after it.
//! If nothing was registered, the answer comes at once.

use http::StatusCode;
use tokio::time::{self, Instant};

use crate::server::registration::Registration;
use crate::server::routes::Reply;

/// Ends the registration if the pod is being deleted, and returns the answer.
pub(crate) async fn answer(registration: Option<&Registration>) -> Reply {
    let Some(registration) = registration else {
        return Reply::text(StatusCode::OK, "NOT_REGISTERED");
    };
    let end = Instant::now() + registration.prestop;
    let (status, body) = verdict(registration, end).await;
    Reply::text(status, body)
}

#[cfg(feature = "kubernetes")]
async fn verdict(registration: &Registration, end: Instant) -> (StatusCode, &'static str) {
    use crate::registration::PreStop;
    let was_registered = registration.handle.status().was_registered();
    match registration.handle.prestop(registration.prestop).await {
        PreStop::Gone => {
            if was_registered {
                let status = registration.handle.status();
                let left = status.drain_left(registration.drain, std::time::SystemTime::now());
                time::sleep_until(end.min(Instant::now() + left)).await;
            }
            (StatusCode::OK, "DEREGISTERED")
        }
        PreStop::Late => (StatusCode::SERVICE_UNAVAILABLE, "STILL_REGISTERED"),
        PreStop::Stays => (StatusCode::CONFLICT, "NOT_TERMINATING"),
        PreStop::Unknown(_) => (StatusCode::SERVICE_UNAVAILABLE, "UNKNOWN"),
    }
}

#[cfg(not(feature = "kubernetes"))]
async fn verdict(registration: &Registration, end: Instant) -> (StatusCode, &'static str) {
    time::sleep_until(end.min(Instant::now() + registration.drain)).await;
    match registration.handle {}
}
