//! Observes the pod by the watch of `cluster::watch`, or by reads if the watch is
//! forbidden.
//!
//! | what happens                | what follows                                              |
//! |-----------------------------|-----------------------------------------------------------|
//! | the list or the watch fails | the schedule of the watch decides                         |
//! | one of them is forbidden    | reads at each interval, and at times the list again       |
//! | the reads are forbidden too | the list again, after the wait for a missing permission   |

use std::time::Duration;

use futures_util::StreamExt as _;
use futures_util::stream::{self, BoxStream};
use tokio::time;
use tracing::{debug, info};

use crate::cluster::Refusal;
use crate::cluster::backoff::jittered;
use crate::cluster::watch::{Event, Limits, Watcher};
pub use crate::registration::state::Source;
use crate::registry::pod::Pod;
use crate::registry::pod_client::{PodClient, checked};

/// An observation of the pod.
#[derive(Clone, Debug)]
pub enum Observation {
    /// The pod as it is now.
    Pod(ObservedPod),
    /// No pod has this name.
    Absent,
    /// The watch has begun, or it is current (a bookmark): the pod is as it was, and every change
    /// from now on is observed.
    Begun,
    /// The pod cannot be observed for now.
    Lost(Refusal),
}

/// A notice of the rest of the sidecar to the registration.
#[derive(Clone, Debug)]
pub enum Notice {
    /// The sidecar is to stop.
    Stop,
    /// A preStop hook has read the pod.
    Observed(Observation),
}

/// The pod, and the request that returned it.
#[derive(Clone, Debug)]
pub struct ObservedPod {
    /// The pod as it is now.
    pub pod: Box<Pod>,
    /// The source of this state.
    pub source: Source,
}

/// Observes one pod.
struct OwnPod {
    pod: PodClient,
    watcher: Watcher<Pod>,
    /// The time between two reads.
    interval: Duration,
    /// The pod of a list that is not yet complete.
    listed: Option<Box<Pod>>,
    /// The number of reads that are left before the watch is tried again.
    reads: u32,
    logged_reading: bool,
}

/// The number of reads before the watch is tried again, because the Role may have changed.
const READS: u32 = 20;

/// The time between two reads if `--register_interval=0`.
const READ_INTERVAL: Duration = Duration::from_secs(30);

/// The longest time between two watches that the server ends at once. A thousand pods may be
/// behind one such proxy.
const PACE: Duration = Duration::from_secs(30);

/// The shortest time after which a silent watch is replaced.
const SHORTEST_IDLE: Duration = Duration::from_secs(10);

/// Returns every state of the pod from now on, and each failure to observe it. A watch that is
/// silent for the `ttl` of the registration is replaced. Never ends.
pub fn observe(
    pod: PodClient,
    interval: Duration,
    ttl: Duration,
) -> BoxStream<'static, Observation> {
    let own = OwnPod::new(pod, interval, ttl);
    stream::unfold(own, |mut own| async move {
        let observation = own.next().await;
        Some((observation, own))
    })
    .boxed()
}

// === impl OwnPod ===

impl OwnPod {
    fn new(pod: PodClient, interval: Duration, ttl: Duration) -> Self {
        let limits = Limits {
            idle: idle(ttl),
            longest_pace: PACE,
        };
        let (client, collection) = pod.watched();
        Self {
            pod,
            watcher: Watcher::new(client, collection, limits),
            interval: if interval.is_zero() {
                READ_INTERVAL
            } else {
                interval
            },
            listed: None,
            reads: 0,
            logged_reading: false,
        }
    }

    /// Waits for the next observation. Must not be cancelled.
    async fn next(&mut self) -> Observation {
        if self.reads > 0 {
            return self.read_again().await;
        }
        loop {
            match self.watcher.next().await {
                Ok(event) => {
                    if let Some(observation) = self.observed(event) {
                        return observation;
                    }
                }
                Err(refusal) if refusal.is_denied() => return self.read(refusal).await,
                Err(refusal) => return lost(refusal),
            }
        }
    }

    fn observed(&mut self, event: Event<Pod>) -> Option<Observation> {
        match event {
            Event::Listing => {
                self.listed = None;
                None
            }
            Event::Item(pod) => match checked(Box::new(pod)) {
                Ok(pod) => {
                    self.listed = Some(pod);
                    None
                }
                Err(refusal) => Some(lost(self.watcher.reject(refusal))),
            },
            Event::Listed => Some(observation(self.listed.take(), Source::Read)),
            Event::Changed(pod) => Some(match checked(Box::new(pod)) {
                Ok(pod) => observation(Some(pod), Source::Watch),
                Err(refusal) => lost(self.watcher.reject(refusal)),
            }),
            Event::Deleted(_) => Some(Observation::Absent),
            Event::Begun | Event::Current => Some(Observation::Begun),
        }
    }

    /// Reads the pod, because the list or the watch is forbidden.
    async fn read(&mut self, denied: Refusal) -> Observation {
        match self.pod.read().await {
            Ok(pod) => {
                if !self.logged_reading {
                    self.logged_reading = true;
                    info!(every = ?self.interval, "The watch is forbidden; reading the pod at each interval instead");
                }
                self.reads = READS;
                observation(pod, Source::Read)
            }
            // The refusal of the list or the watch names the verb that a Role should grant.
            Err(refusal) if refusal.is_denied() => lost(denied),
            Err(refusal) => lost(refusal),
        }
    }

    /// Reads the pod after the interval. After the last read, or a failure, the watch is tried
    /// again.
    async fn read_again(&mut self) -> Observation {
        time::sleep(jittered(self.interval)).await;
        match self.pod.read().await {
            Ok(pod) => {
                self.reads -= 1;
                if self.reads == 0 {
                    self.watcher.restart();
                }
                observation(pod, Source::Read)
            }
            Err(refusal) => {
                self.reads = 0;
                lost(self.watcher.reject(refusal))
            }
        }
    }
}

/// Returns the longest silence of the watch for a value of `--register_ttl`, which is never at 0.
fn idle(ttl: Duration) -> Duration {
    let longest = Limits::default().idle;
    if ttl.is_zero() {
        return longest;
    }
    longest.min(ttl).max(SHORTEST_IDLE)
}

fn observation(pod: Option<Box<Pod>>, source: Source) -> Observation {
    pod.map_or(Observation::Absent, |pod| {
        Observation::Pod(ObservedPod { pod, source })
    })
}

fn lost(refusal: Refusal) -> Observation {
    debug!(%refusal, "Could not observe the pod; trying again");
    Observation::Lost(refusal)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_watch_is_replaced_after_the_ttl_and_within_two_minutes() {
        for (ttl, expected) in [(0, 120), (1, 10), (90, 90), (3_600, 120)] {
            let ttl = Duration::from_secs(ttl);
            assert_eq!(idle(ttl), Duration::from_secs(expected), "{ttl:?}");
        }
    }
}
