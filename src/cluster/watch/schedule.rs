//! Decides what follows each result of a list or a watch: the next request, and the wait before
//! it. Pure.
//!
//! | result                               | next          | wait                                |
//! |--------------------------------------|---------------|-------------------------------------|
//! | list complete                        | watch         | none                                |
//! | list refused                         | list          | back-off                            |
//! | watch refused with 401, 403, 429, 503| watch, thrice | back-off, at least `Retry-After`    |
//! | watch refused otherwise              | list          | back-off                            |
//! | version too old, or versions go back | list          | none at first, then back-off        |
//! | watch ended after minutes            | watch         | up to 1 s                           |
//! | watch ended soon                     | watch         | the pace                            |
//! | watch silent                         | list          | up to 1 s                           |
//! | connection lost, answer unusable     | list          | back-off                            |
//!
//! The back-off of 403 is longer, because an operator must grant the permission. Two watches never
//! start within one second. Only a watch that lasted resets the back-off, because a proxy may
//! accept every watch and end it at once.

use std::time::Duration;

use http::StatusCode;

use crate::cluster::Refusal;
use crate::cluster::backoff::{DENIED, FAILED, delay, spread};

/// Decides the next request of one watch.
#[derive(Clone, Debug)]
pub(super) struct Schedule {
    /// The first and the longest time between the starts of watches that end soon.
    pace: [Duration; 2],
    failures: u32,
    denials: u32,
    /// The number of times in a row that the version of a list was too old.
    expiries: u32,
    /// The consecutive refusals of one version.
    refusals: u32,
    /// The consecutive watches that ended soon.
    short_watches: u32,
}

/// The result of a request, or of an open watch.
#[derive(Clone, Debug)]
pub(super) enum Outcome {
    /// The list is complete.
    Listed {
        /// The version is not the one of the last watch.
        is_new: bool,
    },
    /// The list was refused or not answered.
    ListRefused(Refusal),
    /// The watch was refused or not answered.
    WatchRefused(Refusal),
    /// The version is too old for the server, or the server went back to an older version.
    Expired,
    /// The server ended the watch as every watch ends.
    Ended,
    /// The watch had neither an event nor a bookmark for too long.
    Idle,
    /// The connection was lost, or an answer was not an event.
    Broken(Refusal),
}

/// The next request.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(super) struct Next {
    pub step: Step,
    /// The shortest and the longest wait before the request. A random time between them spreads
    /// the requests of many clients.
    pub wait: [Duration; 2],
    /// The refusal to report to the consumer.
    pub refusal: Option<Refusal>,
}

/// The kind of the next request.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Step {
    /// A new list.
    List,
    /// A watch from the last known version.
    Watch,
}

/// The minimum length of a watch that resets the back-off.
const STEADY: Duration = Duration::from_secs(30);

/// The minimum time between the starts of two watches.
pub(super) const INTERVAL: Duration = Duration::from_secs(1);

/// The longest wait after a watch that ended without a failure. A server that stops ends the
/// watches of all clients at the same moment.
const SPREAD: Duration = Duration::from_secs(1);

/// The number of consecutive refusals of one version before a new list.
const REFUSALS: u32 = 3;

/// The number of times that one version may be too old before the consumer is told.
const EXPIRIES: u32 = 3;

const NONE: [Duration; 2] = [Duration::ZERO; 2];

// === impl Schedule ===

impl Schedule {
    pub(super) fn new(longest_pace: Duration) -> Self {
        Self {
            pace: [INTERVAL, longest_pace],
            failures: 0,
            denials: 0,
            expiries: 0,
            refusals: 0,
            short_watches: 0,
        }
    }

    /// Forgets every failure.
    pub(super) fn reset(&mut self) {
        *self = Self::new(self.pace[1]);
    }

    /// Records that the server accepted a watch.
    pub(super) fn begun(&mut self) {
        self.denials = 0;
        self.refusals = 0;
    }

    /// Returns the next request. `since` is the time since the start of the last watch.
    pub(super) fn next(&mut self, outcome: Outcome, since: Duration) -> Next {
        let is_steady = since >= STEADY;
        if is_steady && outcome.is_of_open_watch() {
            self.reset();
        }
        let mut next = match outcome {
            Outcome::Listed { is_new } => {
                self.refusals = 0;
                if is_new {
                    self.expiries = 0;
                }
                Next::watch(NONE)
            }
            Outcome::Ended if is_steady => Next::watch([Duration::ZERO, SPREAD]),
            Outcome::Ended => {
                self.short_watches = self.short_watches.saturating_add(1);
                let wait = delay(self.short_watches, self.pace).saturating_sub(since);
                Next::watch([wait; 2])
            }
            Outcome::Idle => Next::list([Duration::ZERO, SPREAD]),
            Outcome::Expired => self.expired(),
            Outcome::WatchRefused(refusal)
                if is_about_the_client(&refusal) && self.refusals < REFUSALS =>
            {
                self.refusals += 1;
                Next::watch(self.failed(&refusal)).reporting(refusal)
            }
            Outcome::ListRefused(refusal)
            | Outcome::WatchRefused(refusal)
            | Outcome::Broken(refusal) => Next::list(self.failed(&refusal)).reporting(refusal),
        };
        if next.step == Step::Watch {
            let least = INTERVAL.saturating_sub(since);
            next.wait = next.wait.map(|wait| wait.max(least));
        }
        next
    }

    /// Lists at once after a version that is too old, because the list has every missed change. If
    /// the list has the same version again, the server contradicts itself, and there is a back-off.
    fn expired(&mut self) -> Next {
        self.expiries = self.expiries.saturating_add(1);
        let next = Next::list(match self.expiries {
            1 => NONE,
            more => spread(delay(more - 1, FAILED)),
        });
        if self.expiries < EXPIRIES {
            return next;
        }
        let text = "the API server does not accept the version of its own list";
        next.reporting(Refusal::Invalid(text.to_owned()))
    }

    /// Counts a failure, and returns the wait after it.
    fn failed(&mut self, refusal: &Refusal) -> [Duration; 2] {
        if refusal.is_denied() {
            self.denials = self.denials.saturating_add(1);
            let wait = delay(self.denials, DENIED);
            return [wait / 2, wait];
        }
        self.failures = self.failures.saturating_add(1);
        let wait = delay(self.failures, FAILED);
        match refusal.retry_after() {
            Some(least) => [least, least + wait],
            None => spread(wait),
        }
    }
}

/// Returns whether the server refused before it looked at the version: it decides first who sends
/// the request, and whether there is room for it.
fn is_about_the_client(refusal: &Refusal) -> bool {
    match refusal {
        Refusal::Unauthorized | Refusal::Forbidden(_) => true,
        Refusal::Unavailable { status, .. } => [
            StatusCode::TOO_MANY_REQUESTS,
            StatusCode::SERVICE_UNAVAILABLE,
        ]
        .contains(status),
        _ => false,
    }
}

/// Returns whether a version is older than another one. Versions are compared only within one
/// watch, which is in their order. A version that is no number is never older.
pub(super) fn is_older(version: &str, than: &str) -> bool {
    let number = |text: &str| text.parse::<u64>().ok();
    let both = number(version).zip(number(than));
    both.is_some_and(|(version, than)| version < than)
}

// === impl Outcome ===

impl Outcome {
    /// Returns whether a watch had been accepted before.
    fn is_of_open_watch(&self) -> bool {
        match self {
            Self::Ended | Self::Idle | Self::Broken(_) | Self::Expired => true,
            Self::Listed { .. } | Self::ListRefused(_) | Self::WatchRefused(_) => false,
        }
    }
}

// === impl Next ===

impl Next {
    fn list(wait: [Duration; 2]) -> Self {
        let (step, refusal) = (Step::List, None);
        Self {
            step,
            wait,
            refusal,
        }
    }

    fn watch(wait: [Duration; 2]) -> Self {
        Self {
            step: Step::Watch,
            ..Self::list(wait)
        }
    }

    fn reporting(self, refusal: Refusal) -> Self {
        Self {
            refusal: Some(refusal),
            ..self
        }
    }
}

#[cfg(test)]
mod tests;
