//! The pod, for as long as anybody looks: a list, and a watch from there.
//!
//! | what happens                  | what follows                                          |
//! |-------------------------------|-------------------------------------------------------|
//! | the list                      | the pod, and a watch from there                       |
//! | the watch ends                | the next one, from where it ended                     |
//! | the version is too old        | the list                                              |
//! | no answer, or none of use     | after a wait that grows, the list: it says what it is |
//! | a busy server                 | not before `Retry-After`, the same once more          |
//! | the watch is forbidden        | reads, and now and then the list and the watch        |
//! | everything is forbidden       | after a wait that grows further, the list             |

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

/// One observation of the pod.
#[derive(Clone, Debug)]
pub enum Observation {
    /// The pod as it is now.
    Pod(Box<Pod>),
    /// No pod has this name.
    Absent,
    /// The watch has begun: the pod is as it was, and every change from now on is observed.
    Begun,
    /// The pod cannot be observed for now.
    Lost(Refusal),
}

/// Looks at one pod.
struct OwnPod {
    pod: PodClient,
    /// Between two reads.
    interval: Duration,
    place: Place,
    /// Before the next request.
    wait: Duration,
    failures: Backoff,
    denials: Backoff,
    said: bool,
}

/// How far it has come.
enum Place {
    /// Nothing is known of what is there.
    Start,
    /// What is there was seen, at this version.
    At(String),
    /// And whatever happens from there on will be.
    Watching(String, Events<Pod>, Instant),
    /// Reads that are left before the watch is tried again.
    Reading(u32),
}

/// A wait that doubles.
struct Backoff {
    bounds: [Duration; 2],
    times: u32,
}

/// The first wait after a failure, and the longest.
const FAILED: [Duration; 2] = [Duration::from_millis(500), Duration::from_secs(30)];

/// The same where a permission is missing. Somebody who gives it looks whether it helps.
const DENIED: [Duration; 2] = [Duration::from_secs(5), Duration::from_mins(5)];

/// A watch that lasted so long was none that a proxy ends at once.
const STEADY: Duration = FAILED[1];

/// Reads after which a watch is tried again: the Role may have changed.
const READS: u32 = 20;

/// Between two reads when `--register_interval=0`.
const READ_INTERVAL: Duration = Duration::from_secs(30);

/// Returns every state of the pod from now on, and each failure to observe it. Never ends.
pub fn observe(pod: PodClient, interval: Duration) -> BoxStream<'static, Observation> {
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
            said: false,
        }
    }

    /// Waits for the next sight. Not to be given up in between.
    async fn next(&mut self) -> Observation {
        loop {
            time::sleep(std::mem::take(&mut self.wait)).await;
            // Whatever fails starts over.
            let place = std::mem::replace(&mut self.place, Place::Start);
            let can_read = !matches!(place, Place::Reading(_));
            match self.look(place).await {
                Ok(Some(sight)) => return sight,
                Ok(None) => {}
                Err(refusal) if refusal.is_denied() && can_read => return self.read(refusal).await,
                Err(refusal) => return self.blind(refusal),
            }
        }
    }

    async fn look(&mut self, place: Place) -> Result<Option<Observation>, Refusal> {
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
                        // Nothing is missed before the next try.
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
        let (version, sight) = match event {
            Event::Changed(pod) => {
                let pod = checked(Box::new(pod))?;
                let version = pod.metadata.resource_version.clone().unwrap_or(version);
                (version, Some(Observation::Pod(pod)))
            }
            Event::Deleted => (version, Some(Observation::Absent)),
            Event::Reached(version) => (version, None),
            over @ (Event::Ended | Event::Expired) => {
                // As every watch is after minutes.
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
        Ok(sight)
    }

    /// Reads where the list or the watch is forbidden.
    async fn read(&mut self, denied: Refusal) -> Observation {
        match self.pod.read().await {
            Ok(pod) => {
                if !self.said {
                    self.said = true;
                    info!(every = ?self.interval, "The watch is forbidden: reading the pod instead");
                }
                self.readable(READS);
                pod.map_or(Observation::Absent, Observation::Pod)
            }
            // What the list or the watch was told names what a Role should give.
            Err(refusal) if refusal.is_denied() => self.blind(denied),
            Err(refusal) => self.blind(refusal),
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

    fn blind(&mut self, refusal: Refusal) -> Observation {
        self.wait = match &refusal {
            refusal if refusal.is_denied() => self.denials.next(),
            Refusal::Unavailable {
                retry_after: Some(least),
                ..
            } => (*least).min(DENIED[1]) + self.failures.next(),
            _ => self.failures.next(),
        };
        debug!(%refusal, wait = ?self.wait, "The pod is not in sight");
        Observation::Lost(refusal)
    }
}

// === impl Backoff ===

impl Backoff {
    fn new(bounds: [Duration; 2]) -> Self {
        Self { bounds, times: 0 }
    }

    /// Half to all of it: a thousand pods that lost one server do not come back at once.
    fn next(&mut self) -> Duration {
        self.times = self.times.saturating_add(1);
        let wait = delay(self.times, self.bounds);
        wait.mul_f64(0.5 + 0.5 * fastrand::f64())
    }

    fn reset(&mut self) {
        self.times = 0;
    }
}
