//! The handle of the registration, for the rest of the sidecar.

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::{mpsc, watch};
use tokio::time::{self, Instant};

use self::deletion::{Answer, Deletion};
use crate::cluster::Refusal;
use crate::registration::own_pod::Notice;
use crate::registration::status::{End, Status};
use crate::registry::pod_client::PodClient;

mod deletion;

/// Reads a registration's status, and ends it.
#[derive(Clone, Debug)]
pub struct Handle {
    status: watch::Receiver<Status>,
    notices: mpsc::Sender<Notice>,
    deletion: Arc<Deletion>,
}

/// The result of a preStop hook.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum PreStop {
    /// The pod is being deleted, and is no longer registered.
    Gone,
    /// The pod is being deleted, but could not be deregistered in time.
    Late,
    /// The pod is not being deleted: only a container restarts, or another client sent the request.
    Stays,
    /// The API server did not say whether the pod is being deleted.
    Unknown(Refusal),
}

// === impl Handle ===

impl Handle {
    /// Makes the handle of a registration.
    pub fn new(
        status: watch::Receiver<Status>,
        notices: mpsc::Sender<Notice>,
        own: PodClient,
    ) -> Self {
        let deletion = Arc::new(Deletion::new(own, notices.clone()));
        Self {
            status,
            notices,
            deletion,
        }
    }

    /// Returns the status of the registration.
    pub fn status(&self) -> Status {
        self.status.borrow().clone()
    }

    /// Resolves when the registration begins to end: the pod is being deleted, or the sidecar
    /// stops.
    pub async fn ending(&self) {
        let mut status = self.status.clone();
        let _ = status.wait_for(|status| status.end > End::None).await;
    }

    /// Ends the registration for good. Returns false if that took longer than `within`.
    pub async fn stop(&self, within: Duration) -> bool {
        let end = Instant::now() + within;
        let _ = self.notices.send(Notice::Stop).await;
        self.gone(end).await
    }

    async fn gone(&self, end: Instant) -> bool {
        let mut status = self.status.clone();
        let gone = status.wait_for(|status| status.end == End::Over);
        // The status channel closes only after the registration has ended.
        time::timeout_at(end, gone).await.is_ok()
    }

    /// Answers a preStop hook. The registration ends only if the pod has a deletionTimestamp,
    /// because the hook also runs at a container's restart, and any client may send the request.
    pub async fn prestop(&self, within: Duration) -> PreStop {
        let end = Instant::now() + within;
        let is_ending = self.status.borrow().end > End::None;
        if !is_ending {
            match time::timeout_at(end, self.deletion.read()).await {
                Ok(Answer::Begun) => {}
                Ok(Answer::None) => return PreStop::Stays,
                // A pod that does not exist has no registration.
                Ok(Answer::Over) => return PreStop::Gone,
                Ok(Answer::Unknown(refusal)) => return PreStop::Unknown(refusal),
                Err(_) => {
                    let late = format!("no answer within {within:?}");
                    return PreStop::Unknown(Refusal::Unreachable(late.into()));
                }
            }
        }
        if self.gone(end).await {
            PreStop::Gone
        } else {
            PreStop::Late
        }
    }
}
