//! Limits the writes of one service, whatever the API server does with them. Pure.
//!
//! | limit       | writes                                                                        |
//! |-------------|-------------------------------------------------------------------------------|
//! | bucket      | [`BURST`] at once and one more each [`REFILL`], for every purpose and answer  |
//! | contested   | one each [`CONTESTED`], once [`REWRITES`] writes in a row did not stay        |
//!
//! A write did not stay if the same value of the same key has to be written again: an admission
//! webhook, a controller or another writer removed or replaced it.

use std::collections::BTreeMap;
use std::time::Duration;

use crate::registry::plan::write::Patch;

/// The most writes in a burst: a registration is two writes, and a removal is one.
pub(crate) const BURST: u32 = 6;

/// The time after which one more write is allowed.
pub(crate) const REFILL: Duration = Duration::from_secs(5);

/// The least number of writes that the end allows: the first may be sent on a dead connection.
const ATTEMPTS: u32 = 2;

/// The number of rewrites in a row after which a registration counts as contested.
pub(crate) const REWRITES: u32 = 4;

/// The time between two writes of a contested registration, and the time that a write has to stay
/// until the registration no longer counts as contested.
pub(crate) const CONTESTED: Duration = Duration::from_mins(5);

/// The writes of one service so far.
#[derive(Clone, Debug)]
pub(crate) struct WriteRate {
    tokens: u32,
    /// The time since which the tokens count.
    filled: Duration,
    /// The latest value of each key that the API server accepted; `None` is a removed key.
    accepted: BTreeMap<String, Option<String>>,
    sent: Patch,
    latest: Duration,
    rewrites: u32,
    /// The last key that did not stay.
    key: Option<String>,
}

/// The reason to wait before a write.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Limit {
    /// The bucket is empty.
    Bucket(Duration),
    /// The latest writes did not stay.
    Contested(Duration),
}

// === impl WriteRate ===

impl WriteRate {
    /// Makes a full bucket.
    pub(crate) fn new() -> Self {
        Self {
            tokens: BURST,
            filled: Duration::ZERO,
            accepted: BTreeMap::new(),
            sent: Patch::default(),
            latest: Duration::ZERO,
            rewrites: 0,
            key: None,
        }
    }

    /// Takes a token for a write, or returns the time to wait.
    pub(crate) fn take(&mut self, patch: &Patch, now: Duration) -> Result<(), Limit> {
        let rewritten = self.rewritten(patch);
        if rewritten.is_some() && self.is_contested() {
            let due = self.latest + CONTESTED;
            if due > now {
                return Err(Limit::Contested(due.saturating_sub(now)));
            }
        }
        self.refill(now);
        if self.tokens == 0 {
            return Err(Limit::Bucket((self.filled + REFILL).saturating_sub(now)));
        }
        self.tokens -= 1;
        if let Some(key) = rewritten {
            self.rewrites = self.rewrites.saturating_add(1);
            self.key = Some(key);
        }
        self.sent = patch.clone();
        self.latest = now;
        Ok(())
    }

    fn refill(&mut self, now: Duration) {
        let passed = now.saturating_sub(self.filled).as_secs() / REFILL.as_secs();
        let more = u32::try_from(passed).unwrap_or(u32::MAX);
        self.tokens = self.tokens.saturating_add(more).min(BURST);
        self.filled = if self.tokens == BURST {
            now
        } else {
            self.filled + REFILL * more
        };
    }

    /// Returns a key of the patch whose value was accepted before and is not on the pod.
    fn rewritten(&self, patch: &Patch) -> Option<String> {
        let mut changes = patch.changes();
        let again = changes.find(|(key, value)| {
            let accepted = self.accepted.get(*key);
            accepted.is_some_and(|accepted| accepted.as_deref() == *value)
        });
        again.map(|(key, _)| key.to_owned())
    }

    /// Records that the latest write was accepted.
    pub(crate) fn accepted(&mut self) {
        let sent = std::mem::take(&mut self.sent);
        self.accepted.extend(sent.labels);
        self.accepted.extend(sent.annotations);
    }

    /// Records that the pod is as it should be.
    pub(crate) fn is_satisfied(&mut self, now: Duration) {
        if self.rewrites > 0 && now.saturating_sub(self.latest) >= CONTESTED {
            self.rewrites = 0;
        }
    }

    /// Forgets the earlier writes, because something else is wanted now. The bucket stays.
    pub(crate) fn start_over(&mut self) {
        self.accepted.clear();
        self.rewrites = 0;
    }

    /// Allows the removal at the end and a second attempt, without a wait for the bucket.
    pub(crate) fn allow_the_end(&mut self) {
        self.start_over();
        self.tokens = self.tokens.max(ATTEMPTS);
    }

    /// Returns whether the writes do not stay.
    pub(crate) fn is_contested(&self) -> bool {
        self.rewrites >= REWRITES
    }

    /// Returns the number of writes in a row that did not stay.
    pub(crate) fn rewrites(&self) -> u32 {
        self.rewrites
    }

    /// Returns the last key that did not stay.
    pub(crate) fn contested_key(&self) -> Option<&str> {
        self.key.as_deref()
    }

    /// Adds what decides about the next writes, for the model checker.
    #[cfg(test)]
    pub(super) fn fingerprint(&self, now: Duration, to: &mut impl std::hash::Hasher) {
        use std::hash::Hash as _;
        let mut rate = self.clone();
        rate.refill(now);
        let since = |at: Duration| now.saturating_sub(at).min(CONTESTED);
        (rate.tokens, since(rate.filled), since(self.latest)).hash(to);
        (&self.accepted, self.rewrites).hash(to);
        format!("{:?}", self.sent).hash(to);
    }
}
