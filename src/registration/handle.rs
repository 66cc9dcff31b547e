//! The registration, for the rest of the sidecar.

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::{mpsc, watch};
use tokio::time;

use self::deletion::{Answer, Deletion};
use crate::cluster::Refusal;
use crate::registration::state::Event;
use crate::registration::status::{End, Status};
use crate::registry::pod_client::PodClient;

mod deletion;

/// Reads a registration's status, and ends it.
#[derive(Clone, Debug)]
pub struct Handle {
    status: watch::Receiver<Status>,
    events: mpsc::Sender<Event>,
    deletion: Arc<Deletion>,
}

/// What a preStop hook came to.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum PreStop {
    /// The pod goes, and is no longer registered.
    Gone,
    /// The pod goes, and it could not be taken away in time.
    Late,
    /// The pod stays: only a container restarts, or somebody else asks.
    Stays,
    /// The API server does not say.
    Unknown(Refusal),
}

// === impl Handle ===

impl Handle {
    /// Of a registration that is about to run.
    pub fn new(
        status: watch::Receiver<Status>,
        events: mpsc::Sender<Event>,
        own: PodClient,
    ) -> Self {
        let deletion = Arc::new(Deletion::new(own, events.clone()));
        Self {
            status,
            events,
            deletion,
        }
    }

    /// How it stands.
    pub fn status(&self) -> Status {
        self.status.borrow().clone()
    }

    /// Resolves when the pod was told to go, or we were.
    pub async fn ending(&self) {
        let mut status = self.status.clone();
        let _ = status.wait_for(|status| status.end > End::None).await;
    }

    /// Takes everything away, for good. False if that took longer.
    pub async fn stop(&self, within: Duration) -> bool {
        let _ = self.events.send(Event::Stop).await;
        self.gone(within).await
    }

    async fn gone(&self, within: Duration) -> bool {
        let mut status = self.status.clone();
        let gone = status.wait_for(|status| status.end == End::Over);
        // Only a registration that is over drops its end, which is as good.
        time::timeout(within, gone).await.is_ok()
    }

    /// A preStop hook, or anybody who asks the same: believed if the pod has a
    /// deletionTimestamp, because the hook runs at a container's restart too.
    pub async fn prestop(&self, within: Duration) -> PreStop {
        let is_ending = self.status.borrow().end > End::None;
        if !is_ending {
            match time::timeout(within, self.deletion.read()).await {
                Ok(Answer::Begun) => {}
                Ok(Answer::None) => return PreStop::Stays,
                // No pod, no registration.
                Ok(Answer::Over) => return PreStop::Gone,
                Ok(Answer::Unknown(refusal)) => return PreStop::Unknown(refusal),
                Err(_) => {
                    let late = format!("no answer within {within:?}");
                    return PreStop::Unknown(Refusal::Unreachable(late.into()));
                }
            }
        }
        if self.gone(within).await {
            PreStop::Gone
        } else {
            PreStop::Late
        }
    }
}
