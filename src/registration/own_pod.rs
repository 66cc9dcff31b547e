//! Observes the pod: a list, then a watch from the list's version.
//!
//! | what happens                  | what follows                                          |
//! |-------------------------------|-------------------------------------------------------|
//! | the list                      | the pod, and a watch from there                       |
//! | the watch ends                | the next one, from where it ended                     |
//! | the version is too old        | the list                                              |
//! | no answer, or a bad one       | after a growing wait, the list, which shows the cause |
//! | a busy server                 | after `Retry-After`, the same request again           |
//! | the watch is forbidden        | reads, and at times the list and the watch            |
//! | everything is forbidden       | after a longer growing wait, the list                 |

use std::time::Duration;

use futures_util::StreamExt as _;
use futures_util::stream::{self, BoxStream};
use tokio::time::{self, Instant};
use tracing::{debug, info};

use crate::cluster::Refusal;
use crate::cluster::backoff::{delay, jittered};
use crate::cluster::events::{Event, Events};
use crate::registry::pod::Pod;
use crate::registry::pod_client::{PodClient, checked};

/// An observation of the pod.
#[derive(Clone, Debug)]
pub(crate) enum Observation {
    /// The pod as it is now.
    Pod(Box<Pod>),
    /// No pod has this name.
    Absent,
    /// The watch has begun: the pod is as it was, and every change from now on is observed.
    Begun,
    /// The pod cannot be observed for now.
    Lost(Refusal),
}

/// Observes one pod.
struct OwnPod {
    pod: PodClient,
    /// The time between two reads.
    interval: Duration,
    place: Place,
    /// The wait before the next request.
    wait: Duration,
    failures: Backoff,
    denials: Backoff,
    logged_reading: bool,
}

/// The position of the observation.
enum Place {
    /// The pod has not been listed yet.
    Start,
    /// The pod was observed at this version.
    At(String),
    /// A watch from this version is open since the given time.
    Watching(String, Events<Pod>, Instant),
    /// The reads that are left before the watch is tried again.
    Reading(u32),
}

/// A wait that doubles.
struct Backoff {
    bounds: [Duration; 2],
    times: u32,
}

/// The shortest and the longest wait after a failure.
const FAILED: [Duration; 2] = [Duration::from_millis(500), Duration::from_secs(30)];

/// The shortest and the longest wait after a missing permission. Starts at 5 s, because an operator
/// who has just applied the Role is waiting.
const DENIED: [Duration; 2] = [Duration::from_secs(5), Duration::from_mins(5)];

/// The length of a watch that counts as a success. A proxy may end shorter ones at once.
const STEADY: Duration = FAILED[1];

/// The reads before a watch is tried again, because the Role may have changed.
const READS: u32 = 20;

/// The time between two reads if `--register_interval=0`.
const READ_INTERVAL: Duration = Duration::from_secs(30);

/// Returns every state of the pod from now on, and each failure to observe it. Never ends.
pub(crate) fn observe(pod: PodClient, interval: Duration) -> BoxStream<'static, Observation> {
    let own = OwnPod::new(pod, interval);
    stream::unfold(own, |mut own| async move {
        let observation = own.next().await;
        Some((observation, own))
    })
    .boxed()
}

// === impl OwnPod ===

impl OwnPod {
    fn new(pod: PodClient, interval: Duration) -> Self {
        Self {
            pod,
            interval: if interval.is_zero() {
                READ_INTERVAL
            } else {
                interval
            },
            place: Place::Start,
            wait: Duration::ZERO,
            failures: Backoff::new(FAILED),
            denials: Backoff::new(DENIED),
            logged_reading: false,
        }
    }

    /// Waits for the next observation. Must not be cancelled.
    async fn next(&mut self) -> Observation {
        loop {
            time::sleep(std::mem::take(&mut self.wait)).await;
            // A failure starts over.
            let place = std::mem::replace(&mut self.place, Place::Start);
            let can_read = !matches!(place, Place::Reading(_));
            match self.step(place).await {
                Ok(Some(observation)) => return observation,
                Ok(None) => {}
                Err(refusal) if refusal.is_denied() && can_read => return self.read(refusal).await,
                Err(refusal) => return self.lost(refusal),
            }
        }
    }

    async fn step(&mut self, place: Place) -> Result<Option<Observation>, Refusal> {
        match place {
            Place::Start => {
                let (pod, version) = self.pod.list().await?;
                self.place = Place::At(version);
                Ok(Some(pod.map_or(Observation::Absent, Observation::Pod)))
            }
            Place::At(version) => {
                let begun = Instant::now();
                let events = match self.pod.watch(&version).await {
                    Ok(Some(events)) => events,
                    Ok(None) => {
                        self.wait = self.failures.next();
                        return Ok(None);
                    }
                    Err(refusal) => {
                        // No event is lost until the next attempt.
                        if matches!(refusal, Refusal::Unavailable { .. }) {
                            self.place = Place::At(version);
                        }
                        return Err(refusal);
                    }
                };
                self.denials.reset();
                self.place = Place::Watching(version, events, begun);
                Ok(Some(Observation::Begun))
            }
            Place::Watching(version, mut events, begun) => {
                let event = events.next().await;
                if begun.elapsed() >= STEADY {
                    self.failures.reset();
                }
                self.follow(version, event?, (events, begun))
            }
            Place::Reading(left) => {
                let pod = self.pod.read().await?;
                self.readable(left);
                Ok(Some(pod.map_or(Observation::Absent, Observation::Pod)))
            }
        }
    }

    fn follow(
        &mut self,
        version: String,
        event: Event<Pod>,
        (events, begun): (Events<Pod>, Instant),
    ) -> Result<Option<Observation>, Refusal> {
        let (version, observation) = match event {
            Event::Changed(pod) => {
                let pod = checked(Box::new(pod))?;
                let version = pod.metadata.resource_version.clone().unwrap_or(version);
                (version, Some(Observation::Pod(pod)))
            }
            Event::Deleted => (version, Some(Observation::Absent)),
            Event::Reached(version) => (version, None),
            over @ (Event::Ended | Event::Expired) => {
                // Every watch ends after minutes.
                if begun.elapsed() < STEADY {
                    self.wait = self.failures.next();
                }
                if over == Event::Ended {
                    self.place = Place::At(version);
                }
                return Ok(None);
            }
        };
        self.place = Place::Watching(version, events, begun);
        Ok(observation)
    }

    /// Reads the pod, because the list or the watch is forbidden.
    async fn read(&mut self, denied: Refusal) -> Observation {
        match self.pod.read().await {
            Ok(pod) => {
                if !self.logged_reading {
                    self.logged_reading = true;
                    info!(every = ?self.interval, "The watch is forbidden; reading the pod at each interval instead");
                }
                self.readable(READS);
                pod.map_or(Observation::Absent, Observation::Pod)
            }
            // The refusal of the list or the watch names the verb that a Role should grant.
            Err(refusal) if refusal.is_denied() => self.lost(denied),
            Err(refusal) => self.lost(refusal),
        }
    }

    fn readable(&mut self, left: u32) {
        self.failures.reset();
        self.denials.reset();
        self.wait = jittered(self.interval);
        self.place = match left {
            0 => Place::Start,
            left => Place::Reading(left - 1),
        };
    }

    fn lost(&mut self, refusal: Refusal) -> Observation {
        self.wait = match &refusal {
            refusal if refusal.is_denied() => self.denials.next(),
            Refusal::Unavailable {
                retry_after: Some(least),
                ..
            } => (*least).min(DENIED[1]) + self.failures.next(),
            _ => self.failures.next(),
        };
        debug!(%refusal, wait = ?self.wait, "Could not observe the pod; trying again");
        Observation::Lost(refusal)
    }
}

// === impl Backoff ===

impl Backoff {
    fn new(bounds: [Duration; 2]) -> Self {
        Self { bounds, times: 0 }
    }

    /// Returns a random wait between half and all of the current length, so that a thousand pods
    /// that lost one server do not come back at once.
    fn next(&mut self) -> Duration {
        self.times = self.times.saturating_add(1);
        let wait = delay(self.times, self.bounds);
        wait.mul_f64(0.5 + 0.5 * fastrand::f64())
    }

    fn reset(&mut self) {
        self.times = 0;
    }
}
