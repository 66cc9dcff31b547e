//! Decides the next request for one service of the pod. Pure.
//!
//! | state     | event                        | next     | action                                        |
//! |-----------|------------------------------|----------|-----------------------------------------------|
//! | idle      | verdict, pod                 | writing  | write, if the plan says so                    |
//! | idle      | the same, too many writes    | waiting  | again after the limit of [`WriteRate`]        |
//! | idle      | an earlier name is leaving   | waiting  | again in 100 ms, if it would register         |
//! | writing   | accepted                     | idle     | the plan's next                               |
//! | writing   | 401, once                    | waiting  | again at once                                 |
//! | writing   | 403, a policy, a webhook     | waiting  | again in 5 s to 5 min                         |
//! | writing   | 409                          | waiting  | read, in 10 ms to 30 s                        |
//! | writing   | 413, 422 on a field          | waiting  | again in 5 min                                |
//! | writing   | 429, 5xx, no answer          | waiting  | again in up to 30 s, or after `Retry-After`   |
//! | waiting   | due                          | idle     | the plan's                                    |
//! | waiting   | to be removed instead        | writing  | unless it waits for the server, or the bucket |
//! | waiting   | the end begins               | writing  | the removal                                   |
//! | ending    | the last answer was lost     | reading  | read, then remove what was written            |
//! | ending    | refused                      | waiting  | again in up to 5 s, or after `Retry-After`    |
//!
//! Events during a request are remembered, and a plan follows its answer.

use std::time::Duration;

use crate::cluster::Refusal;
use crate::registration::state::action::Action;
use crate::registration::state::rate::{Limit, WriteRate};
use crate::registration::state::wait::{Reason, Wait, after, ending};
use crate::registry::plan::plan;
use crate::registry::plan::write::{Entry, Obstacle, OnForeign, Plan, Purpose, Standing};
use crate::registry::pod::Pod;

/// The registration of one service.
#[derive(Clone, Debug)]
pub(crate) struct ServiceState {
    entry: Entry,
    standing: Standing,
    phase: Phase,
    /// The purpose of the write that is still to be made, as of the last plan.
    pending: Option<Purpose>,
    /// The last refusal, until a write succeeds.
    refusal: Option<Refusal>,
    failures: u32,
    /// The wait after the last refusal, and its end.
    refused: Option<(Duration, Wait)>,
    /// The flag is true if the server may have taken a write whose answer is missing, and the pod
    /// was not read since.
    is_uncertain: bool,
    /// The number of lists before the latest request was sent.
    sent: u32,
    /// The flag is true while the answer to a request from before the end is missing.
    was_sent_before_end: bool,
    rate: WriteRate,
    jitter: Duration,
    /// The flag is true if the write that was sent replaces or removes what another writer wrote.
    is_over_foreign: bool,
    /// The number of times that another writer replaced or removed what we wrote.
    foreign_rewrites: u32,
}

/// The inputs that all services share.
#[derive(Clone, Copy, Debug)]
pub(super) struct Context<'a> {
    pub pod: &'a Pod,
    pub on_foreign: OnForeign,
    pub is_ending: bool,
    /// The flag is true while the removal of an earlier name is sent. A registration that the API
    /// server takes before it would lose its labels.
    pub is_departing: bool,
    /// The number of lists so far.
    pub lists: u32,
    pub now: Duration,
}

/// The phase of a service's registration.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Phase {
    /// The service needs nothing for now.
    Idle,
    /// A write has been sent.
    Writing(Purpose),
    /// A read has been sent.
    Reading,
    /// The service waits until a time is over.
    Waiting(Wait),
}

/// The time between two looks at whether the removal of an earlier name is answered.
const DEPARTING: Duration = Duration::from_millis(100);

// === impl ServiceState ===

impl ServiceState {
    pub(super) fn new(entry: Entry, jitter: Duration) -> Self {
        Self {
            entry,
            standing: Standing::Unknown,
            phase: Phase::Idle,
            pending: None,
            refusal: None,
            failures: 0,
            refused: None,
            is_uncertain: false,
            sent: 0,
            was_sent_before_end: false,
            rate: WriteRate::new(),
            jitter,
            is_over_foreign: false,
            foreign_rewrites: 0,
        }
    }

    /// Returns the name of the service.
    pub(crate) fn name(&self) -> &str {
        &self.entry.record.name
    }

    /// Returns the wanted record.
    pub(crate) fn entry(&self) -> &Entry {
        &self.entry
    }

    /// Returns the standing on the pod as it was last read.
    pub(crate) fn standing(&self) -> &Standing {
        &self.standing
    }

    /// Returns the purpose of the write that is still to be made.
    pub(crate) fn pending(&self) -> Option<Purpose> {
        self.pending
    }

    /// Returns the number of times that another writer replaced or removed what we wrote.
    pub(crate) fn foreign_rewrites(&self) -> u32 {
        self.foreign_rewrites
    }

    /// Returns the limit on writes.
    pub(crate) fn rate(&self) -> &WriteRate {
        &self.rate
    }

    /// Returns the phase.
    pub(crate) fn phase(&self) -> Phase {
        self.phase
    }

    /// Returns whether the pod, as it was last read, carries the registration, and watchers know it.
    pub(crate) fn is_registered(&self) -> bool {
        let is_there = matches!(
            self.standing,
            Standing::Registered | Standing::Adopted { .. }
        );
        let is_new = matches!(self.pending, Some(Purpose::Register | Purpose::Announce));
        is_there && (!is_new || self.rate.is_contested())
    }

    /// Returns whether a write is still to be made, and the latest ones did not stay.
    pub(crate) fn is_contested(&self) -> bool {
        self.rate.is_contested() && self.pending.is_some()
    }

    /// Returns the last refusal, until a write succeeds.
    pub(crate) fn refusal(&self) -> Option<&Refusal> {
        self.refusal.as_ref()
    }

    /// Returns whether nothing is sent, waited for or still to be written.
    pub(super) fn is_over(&self) -> bool {
        self.phase == Phase::Idle && self.pending.is_none()
    }

    pub(super) fn set_entry(&mut self, entry: Entry) {
        if entry.wanted != self.entry.wanted {
            self.rate.start_over();
        }
        self.entry = entry;
    }

    /// Forgets the pod, which does not exist any more.
    pub(super) fn lose(&mut self) {
        (self.standing, self.pending) = (Standing::Absent, None);
        self.phase = Phase::Idle;
    }

    /// Leaves every wait: from now on the registration is to be removed.
    pub(super) fn end(&mut self) {
        match self.phase {
            Phase::Waiting(_) => self.phase = Phase::Idle,
            Phase::Writing(_) | Phase::Reading => self.was_sent_before_end = true,
            Phase::Idle => {}
        }
        (self.failures, self.refused) = (0, None);
        self.entry.wanted = Some(false);
        self.rate.allow_the_end();
    }

    /// Ends a wait. Returns the read that follows a conflict.
    pub(super) fn due(&mut self, lists: u32) -> Option<Action> {
        let Phase::Waiting(wait) = self.phase else {
            return None;
        };
        self.refused = None;
        if wait.reason == Reason::Conflict {
            return Some(self.read(lists));
        }
        self.phase = Phase::Idle;
        None
    }

    fn read(&mut self, lists: u32) -> Action {
        self.phase = Phase::Reading;
        self.sent = lists;
        Action::Read
    }

    /// Takes the answer of a request that succeeded. Returns whether its pod may be believed: the
    /// pod was not listed since the request was sent. `lists` is the number of lists so far.
    pub(super) fn accepted(&mut self, lists: u32) -> bool {
        // A read says nothing about the next write.
        if let Phase::Writing(_) = self.phase {
            self.failures = 0;
            self.refusal = None;
            self.refused = None;
            self.rate.accepted();
            self.foreign_rewrites += u32::from(self.is_over_foreign);
        }
        self.phase = Phase::Idle;
        self.was_sent_before_end = false;
        self.is_uncertain = self.sent != lists;
        !self.is_uncertain
    }

    /// Returns the next request or wait, if there is one.
    pub(super) fn decide(&mut self, context: &Context<'_>) -> Option<Action> {
        let Context {
            pod,
            on_foreign,
            is_ending,
            is_departing,
            lists,
            now,
        } = *context;
        let Plan { write, standing } = plan(pod, &self.entry, on_foreign);
        let is_theirs = matches!(
            standing,
            Standing::Adopted { .. } | Standing::Refused(Obstacle::Writer { .. })
        );
        if self.standing == Standing::Registered && is_theirs {
            self.foreign_rewrites = self.foreign_rewrites.saturating_add(1);
        }
        self.standing = standing;
        self.pending = write.as_ref().map(|write| write.purpose);
        if matches!(self.phase, Phase::Writing(_) | Phase::Reading) {
            return None;
        }
        let Some(write) = write else {
            if !(is_ending && self.is_uncertain) {
                self.phase = Phase::Idle;
                self.rate.is_satisfied(now);
                return None;
            }
            // The refused read waits, and then it is sent again.
            let is_waiting = matches!(self.phase, Phase::Waiting(_));
            return (!is_waiting).then(|| self.read(lists));
        };
        if let Phase::Waiting(wait) = self.phase
            && !wait.yields_to(write.purpose)
        {
            return None;
        }
        if write.purpose == Purpose::Register && is_departing {
            return Some(self.wait(write.purpose, Reason::Jitter, [DEPARTING; 2]));
        }
        if write.purpose == Purpose::Register && !self.jitter.is_zero() {
            let most = std::mem::take(&mut self.jitter);
            return Some(self.wait(write.purpose, Reason::Jitter, [Duration::ZERO, most]));
        }
        if let Some((end, wait)) = self.refused
            && end > now
            && !wait.yields_to(write.purpose)
        {
            let left = end.saturating_sub(now);
            return Some(self.wait(wait.purpose, wait.reason, [left; 2]));
        }
        if let Err(limit) = self.rate.take(&write.patch, now) {
            let (reason, wait) = match limit {
                Limit::Bucket(wait) => (Reason::Bucket, wait),
                Limit::Contested(wait) => (Reason::Contested, wait),
            };
            return Some(self.wait(write.purpose, reason, [wait; 2]));
        }
        self.is_over_foreign = write.is_over_foreign;
        self.phase = Phase::Writing(write.purpose);
        self.sent = lists;
        Some(Action::Write(
            write,
            pod.metadata.uid.clone().unwrap_or_default(),
        ))
    }

    /// Returns the wait after a refusal. `deadline` is that of the end, once it has begun.
    pub(super) fn refused(
        &mut self,
        refusal: Refusal,
        deadline: Option<Duration>,
        now: Duration,
    ) -> Action {
        let purpose = match self.phase {
            Phase::Writing(purpose) => {
                self.is_uncertain |= refusal.is_uncertain();
                purpose
            }
            _ => self.pending.unwrap_or(Purpose::Register),
        };
        if std::mem::take(&mut self.was_sent_before_end) {
            // The removal was not tried yet, so it waits for nothing.
            self.refusal = Some(refusal);
            return self.wait(purpose, Reason::Busy, [Duration::ZERO; 2]);
        }
        self.failures = self.failures.saturating_add(1);
        let (reason, wait) = after(&refusal, self.failures);
        let wait = match deadline {
            Some(deadline) => ending(&refusal, self.failures, deadline.saturating_sub(now)),
            None => wait,
        };
        self.refusal = Some(refusal);
        self.refused = Some((now + wait[0], Wait { purpose, reason }));
        self.wait(purpose, reason, wait)
    }

    /// Adds what decides about the next events, for the model checker.
    #[cfg(test)]
    pub(super) fn fingerprint(
        &self,
        (now, lists): (Duration, u32),
        to: &mut impl std::hash::Hasher,
    ) {
        use std::hash::Hash as _;
        let refused = self.refused.filter(|(end, _)| *end > now);
        let refused = refused.map(|(end, wait)| (end.saturating_sub(now), wait));
        let (phase, pending, standing) = (self.phase, self.pending, &self.standing);
        let parts = (phase, pending, standing, refused, self.entry.wanted);
        format!("{parts:?}").hash(to);
        let is_current = self.sent == lists;
        (
            self.failures.min(8),
            is_current,
            self.is_uncertain,
            self.was_sent_before_end,
        )
            .hash(to);
        self.rate.fingerprint(now, to);
    }

    fn wait(&mut self, purpose: Purpose, reason: Reason, [from, to]: [Duration; 2]) -> Action {
        self.phase = Phase::Waiting(Wait { purpose, reason });
        Action::Wait(from, to)
    }
}

// === impl Phase ===

impl Phase {
    /// Returns the name of the phase on the status page and in metrics.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Idle => "idle",
            Self::Writing(purpose) => purpose.name(),
            Self::Reading | Self::Waiting(_) => "waiting",
        }
    }
}
