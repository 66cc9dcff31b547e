//! Decides what the registration does next. Pure: time, the pod and the server's answers are
//! inputs.
//!
//! | state     | event                                  | next      | action                  |
//! |-----------|----------------------------------------|-----------|-------------------------|
//! | unseen    | the pod is observed                    | idle      | the plan's              |
//! | idle      | verdict, pod, answer                   | writing   | write, if the plan says |
//! | writing   | done, with the pod as it is now        | idle      | the plan's next         |
//! | writing   | 401, once                              | waiting   | again at once           |
//! | writing   | 403, a policy                          | waiting   | again in 5 s to 5 min   |
//! | writing   | 409                                    | waiting   | read, in 10 to 100 ms   |
//! | writing   | 413, 422 on a field                    | waiting   | again in 5 min          |
//! | writing   | 429, 5xx, no answer                    | waiting   | again in up to 30 s     |
//! | writing   | 404, another uid                       | gone      | nothing, ever           |
//! | waiting   | due                                    | idle      | the plan's              |
//! | any       | stop, or the pod has a deletionTimestamp | ending  | remove all              |
//! | ending    | nothing of ours is left                | gone      | nothing, ever           |
//! | any       | the pod is no more, or another         | gone      | nothing, ever           |
//! | unseen    | there is no such pod                   | unseen    | nothing: it may come    |
//!
//! Events during writing and waiting are remembered, and a plan follows when it is over.

use std::time::Duration;

use crate::cluster::Refusal;
use crate::cluster::backoff::delay;
use crate::registry::plan::plan;
use crate::registry::plan::write::{Entry, Obstacle, OnForeign, Plan, Purpose, Standing, Write};
use crate::registry::pod::Pod;

/// The registration of one pod.
#[derive(Clone, Debug)]
pub(crate) struct State {
    /// The services and their wanted records.
    pub entries: Vec<Entry>,
    /// The standing of each service.
    pub standings: Vec<Standing>,
    /// The current phase.
    pub phase: Phase,
    /// The last refusal, until a write succeeds.
    pub refusal: Option<Refusal>,
    /// The flag is true once the registration is to be removed for good.
    pub ending: bool,
    /// The number of times that another writer replaced or removed what we wrote.
    pub foreign_rewrites: u32,
    /// The rounds in which another writer registered again what we had removed.
    pub rounds: u32,
    on_foreign: OnForeign,
    jitter: Duration,
    pod: Option<Pod>,
    failures: u32,
    repairs: Bucket,
    /// The purpose of the write that is still to be made, as of the last plan.
    pending: Option<Purpose>,
}

/// The phase of a registration.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Phase {
    /// The pod has not been seen yet.
    Unseen,
    /// The registration needs nothing for now.
    Idle,
    /// A write has been sent.
    Writing(Purpose),
    /// The registration waits until a time is over.
    Waiting,
    /// The registration waits until a time is over, and then reads the pod.
    WaitingToRead,
    /// The registration has ended for good.
    Gone,
}

/// An input of the state machine.
#[derive(Clone, Debug)]
pub enum Event {
    /// The pod as it is now.
    Seen(Box<Pod>),
    /// No pod of our name exists, or no longer.
    Vanished,
    /// The pod of our name is another one: ours was deleted.
    Replaced,
    /// The services as they should stand: a verdict or a part of a record changed.
    Entries(Vec<Entry>),
    /// The server's answer to a write or to a read.
    Answered(Result<Box<Pod>, Refusal>),
    /// The time to wait is over.
    Due,
    /// The sidecar is to stop.
    Stop,
}

/// An output of the state machine.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(crate) enum Action {
    /// The caller has nothing to do.
    Nothing,
    /// Sends the write to the pod of this uid; the answer is an event.
    Write(Write, String),
    /// Reads the pod; the answer is an event.
    Read,
    /// Waits for a random time between the two, and sends [`Event::Due`].
    Wait(Duration, Duration),
}

/// The repairs that are allowed at a time, so that two controllers that disagree about a record do
/// not loop.
#[derive(Clone, Copy, Debug)]
struct Bucket {
    tokens: u32,
    filled: Duration,
}

/// The most repairs in a burst.
const BURST: u32 = 3;

/// The time after which one more repair is allowed.
const REFILL: Duration = Duration::from_secs(5);

/// The rounds after which we leave a record that another writer keeps registering.
const ROUNDS: u32 = 3;

/// The shortest and the longest wait after a failure.
const BACKOFF: [Duration; 2] = [Duration::from_millis(500), Duration::from_secs(30)];

/// The shortest and the longest wait after a missing permission. Starts at 5 s, because an operator
/// who has just applied the Role is waiting.
const DENIED: [Duration; 2] = [Duration::from_secs(5), Duration::from_mins(5)];

// === impl State ===

impl State {
    /// Makes the first state. The first write waits up to `jitter`, so that a thousand pods that
    /// start together do not write together.
    pub(crate) fn new(entries: Vec<Entry>, on_foreign: OnForeign, jitter: Duration) -> Self {
        Self {
            standings: vec![Standing::Unknown; entries.len()],
            entries,
            phase: Phase::Unseen,
            refusal: None,
            ending: false,
            foreign_rewrites: 0,
            on_foreign,
            jitter,
            pod: None,
            failures: 0,
            repairs: Bucket {
                tokens: BURST,
                filled: Duration::ZERO,
            },
            pending: None,
            rounds: 0,
        }
    }

    /// Returns what to do about an event. `now` is the time since any fixed moment.
    pub(crate) fn next(&mut self, event: Event, now: Duration) -> Action {
        if self.phase == Phase::Gone {
            return Action::Nothing;
        }
        self.absorb(event).unwrap_or_else(|| self.decide(now))
    }

    /// Returns whether every service that should be in the registry is there.
    pub(crate) fn is_registered(&self) -> bool {
        let stands = |standing: &Standing| {
            matches!(standing, Standing::Registered | Standing::Adopted { .. })
        };
        // A repair corrects what stands there already.
        let is_there = matches!(self.pending, None | Some(Purpose::Repair));
        !self.ending && is_there && self.standings.iter().all(stands)
    }

    /// Returns whether an unhealthy service stays in the registry, because another writer keeps
    /// registering it.
    pub(crate) fn tolerates_foreign_writer(&self) -> bool {
        self.rounds >= ROUNDS
    }

    /// Returns the purpose of the write that is still to be made.
    pub(crate) fn pending(&self) -> Option<Purpose> {
        self.pending
    }

    /// Applies an event. Returns an action if it needs no plan.
    fn absorb(&mut self, event: Event) -> Option<Action> {
        match event {
            Event::Seen(pod) => self.see(*pod),
            Event::Vanished if self.pod.is_none() => {}
            Event::Vanished | Event::Replaced => self.phase = Phase::Gone,
            Event::Entries(entries) => {
                if entries.iter().all(|entry| entry.wanted != Some(false)) {
                    self.rounds = 0;
                }
                self.entries = entries;
            }
            Event::Answered(Ok(pod)) => {
                self.failures = 0;
                self.refusal = None;
                self.phase = Phase::Idle;
                self.see(*pod);
            }
            Event::Answered(Err(refusal)) => return Some(self.refused(refusal)),
            Event::Due if self.phase == Phase::WaitingToRead => {
                self.phase = Phase::Waiting;
                return Some(Action::Read);
            }
            Event::Due => self.phase = Phase::Idle,
            Event::Stop => {
                self.ending = true;
                // The wait may last minutes, and only seconds are left.
                if matches!(self.phase, Phase::Waiting | Phase::WaitingToRead) {
                    self.phase = Phase::Idle;
                }
            }
        }
        None
    }

    fn see(&mut self, pod: Pod) {
        if let Some(known) = &self.pod {
            if known.metadata.uid != pod.metadata.uid {
                self.phase = Phase::Gone;
                return;
            }
            // The watch may still bring a version from before our own write.
            if version(&pod) < version(known) {
                return;
            }
        }
        self.ending |= pod.is_terminating();
        self.pod = Some(pod);
        if self.phase == Phase::Unseen {
            self.phase = Phase::Idle;
        }
    }

    fn decide(&mut self, now: Duration) -> Action {
        let (Phase::Idle, Some(pod)) = (self.phase, &self.pod) else {
            return Action::Nothing;
        };
        if self.ending {
            for entry in &mut self.entries {
                entry.wanted = Some(false);
            }
        }
        let Plan { write, standings } = plan(pod, &self.entries, self.on_foreign);
        let replaced = |(before, after): (&Standing, &Standing)| {
            let is_theirs = matches!(
                after,
                Standing::Adopted { .. } | Standing::Refused(Obstacle::Writer { .. })
            );
            *before == Standing::Registered && is_theirs
        };
        let replaced = self
            .standings
            .iter()
            .zip(&standings)
            .filter(|pair| replaced(*pair))
            .count();
        self.foreign_rewrites += u32::try_from(replaced).unwrap_or(u32::MAX);
        self.standings = standings;
        self.pending = write.as_ref().map(|write| write.purpose);
        // Another writer registers the unhealthy service as often as we remove it, so we stop
        // removing it.
        let write = write.filter(|write| {
            self.ending || !write.is_over_foreign || !self.tolerates_foreign_writer()
        });
        let Some(write) = write else {
            if self.ending {
                self.phase = Phase::Gone;
            }
            return Action::Nothing;
        };
        if write.purpose == Purpose::Register && !self.jitter.is_zero() {
            self.phase = Phase::Waiting;
            return Action::Wait(Duration::ZERO, std::mem::take(&mut self.jitter));
        }
        if !self.ending
            && write.purpose != Purpose::Announce
            && let Err(wait) = self.repairs.take(now)
        {
            self.phase = Phase::Waiting;
            return Action::Wait(wait, wait);
        }
        if write.is_over_foreign {
            self.foreign_rewrites = self.foreign_rewrites.saturating_add(1);
            self.rounds += u32::from(write.purpose == Purpose::Deregister);
        }
        self.phase = Phase::Writing(write.purpose);
        Action::Write(write, pod.metadata.uid.clone().unwrap_or_default())
    }

    fn refused(&mut self, refusal: Refusal) -> Action {
        self.failures = self.failures.saturating_add(1);
        let failures = self.failures;
        // A failed write does not count as a repair.
        self.repairs.give_back();
        self.phase = Phase::Waiting;
        let action = match &refusal {
            Refusal::NotFound(_) | Refusal::Replaced => {
                self.phase = Phase::Gone;
                Action::Nothing
            }
            Refusal::Conflict => {
                self.phase = Phase::WaitingToRead;
                Action::Wait(Duration::from_millis(10), Duration::from_millis(100))
            }
            // The next request reads the token again.
            Refusal::Unauthorized if failures == 1 => Action::Wait(Duration::ZERO, Duration::ZERO),
            Refusal::Forbidden(_) | Refusal::Policy(_) => {
                let wait = delay(failures, DENIED);
                Action::Wait(wait, wait + wait / 10)
            }
            Refusal::Invalid(_) | Refusal::TooLarge(_) => {
                Action::Wait(DENIED[1], DENIED[1] + DENIED[1] / 10)
            }
            Refusal::Unavailable {
                retry_after: Some(wait),
                ..
            } => {
                let wait = (*wait).min(DENIED[1]);
                Action::Wait(wait, wait + delay(failures, BACKOFF))
            }
            Refusal::Unauthorized
            | Refusal::Unavailable { .. }
            | Refusal::Unreachable(_)
            | Refusal::Answer(_) => {
                let most = delay(failures, BACKOFF);
                Action::Wait(most / 10, most)
            }
        };
        self.refusal = Some(refusal);
        match action {
            // Only seconds are left to remove the registration.
            Action::Wait(..) if self.ending => Action::Wait(Duration::from_millis(100), BACKOFF[0]),
            action => action,
        }
    }
}

/// Returns the version of the pod. Versions of one object can be compared as numbers since
/// Kubernetes 1.35.
fn version(pod: &Pod) -> Option<u64> {
    pod.metadata.resource_version.as_ref()?.parse().ok()
}

// === impl Bucket ===

impl Bucket {
    /// Takes a token, or returns the time until there is one.
    fn take(&mut self, now: Duration) -> Result<(), Duration> {
        let passed = now.saturating_sub(self.filled);
        let more = u32::try_from(passed.as_secs() / REFILL.as_secs()).unwrap_or(u32::MAX);
        if more > 0 {
            self.tokens = self.tokens.saturating_add(more).min(BURST);
            self.filled = now;
        }
        if self.tokens == 0 {
            return Err(REFILL.saturating_sub(now.saturating_sub(self.filled)));
        }
        self.tokens -= 1;
        Ok(())
    }

    fn give_back(&mut self) {
        self.tokens = (self.tokens + 1).min(BURST);
    }
}

// === impl Phase ===

impl Phase {
    /// Returns the name of the phase on the status page and in metrics.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Unseen => "unseen",
            Self::Idle => "idle",
            Self::Writing(purpose) => purpose.name(),
            Self::Waiting | Self::WaitingToRead => "waiting",
            Self::Gone => "gone",
        }
    }
}

#[cfg(test)]
mod tests;
