//! The registration, for the rest of the sidecar.

use std::time::Duration;

use tokio::sync::{mpsc, watch};
use tokio::time;

use super::own_pod::OwnPod;
use super::state::Event;
use super::status::{End, Status};
use crate::cluster::Refusal;

/// Asks a registration, and tells it to end.
#[derive(Clone, Debug)]
pub struct Handle {
    status: watch::Receiver<Status>,
    events: mpsc::Sender<Event>,
    own: OwnPod,
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

/// Time for a fresh look at the pod.
const LOOK: Duration = Duration::from_secs(2);

// === impl Handle ===

impl Handle {
    /// Of a registration that is about to run.
    pub fn new(status: watch::Receiver<Status>, events: mpsc::Sender<Event>, own: OwnPod) -> Self {
        Self {
            status,
            events,
            own,
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
            match time::timeout(LOOK.min(within), self.own.read()).await {
                Ok(Ok(Some(pod))) if pod.is_terminating() => {
                    let _ = self.events.send(Event::Seen(pod)).await;
                }
                Ok(Ok(Some(_))) => return PreStop::Stays,
                // No pod, no registration.
                Ok(Ok(None)) => return PreStop::Gone,
                Ok(Err(refusal)) => return PreStop::Unknown(refusal),
                Err(_) => {
                    return PreStop::Unknown(Refusal::Unreachable(
                        format!("no answer within {LOOK:?}").into(),
                    ));
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
