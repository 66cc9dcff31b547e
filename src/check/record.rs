//! The record of a target's checks, for its log line, its metrics and its page.

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use crate::check::verdict::{Check, HEALTHY};

/// The number of checks that are kept for the plot: ten minutes of a probe every five seconds.
pub(crate) const HISTORY_LENGTH: usize = 120;

/// The upper bounds of the duration histogram, in seconds: from a kept connection on loopback to
/// twice the kubelet's default timeout.
pub(crate) const BUCKETS: [f64; 12] = [
    0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.0,
];

/// The counts and the latest checks of one target. The record grows to a fixed size.
#[derive(Clone, Debug, Default)]
pub struct Record {
    /// The latest check.
    pub latest: Option<Arc<Check>>,
    /// The time at which the verdict last became healthy or unhealthy.
    pub since: Option<SystemTime>,
    /// The time of the latest healthy check.
    pub last_success: Option<SystemTime>,
    /// The number of unhealthy checks since the latest healthy one.
    pub consecutive_failures: u64,
    /// The number of times that the verdict became healthy, and unhealthy.
    pub transitions: [u64; 2],
    /// The number of checks by the code of their result; the codes are a closed set.
    pub results: Vec<(&'static str, u64)>,
    /// The number of checks by duration: for each bound of [`BUCKETS`] the checks within it and
    /// beyond the smaller ones, and last the checks beyond all bounds.
    pub durations: [u64; BUCKETS.len() + 1],
    /// The duration of all checks together.
    pub total: Duration,
    /// The latest checks, oldest first.
    pub history: VecDeque<Sample>,
}

/// A check in the plot.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Sample {
    /// [`HEALTHY`] or the reason's code.
    pub code: &'static str,
    /// The duration of the check.
    pub took: Duration,
}

// === impl Record ===

impl Record {
    /// Adds one check. Returns true if its result differs from the one before.
    pub fn observe(&mut self, check: &Arc<Check>) -> bool {
        let code = check.code();
        let healthy = code == HEALTHY;
        let before = self.latest.replace(Arc::clone(check));
        if before.as_ref().map(|before| before.verdict.is_ok()) != Some(healthy) {
            self.since = Some(check.at);
            self.transitions[usize::from(!healthy)] += 1;
        }
        if healthy {
            self.last_success = Some(check.at);
            self.consecutive_failures = 0;
        } else {
            self.consecutive_failures += 1;
        }
        match self.results.iter_mut().find(|(known, _)| *known == code) {
            Some((_, count)) => *count += 1,
            None => self.results.push((code, 1)),
        }
        let seconds = check.took.as_secs_f64();
        let bucket = BUCKETS.iter().position(|bound| seconds <= *bound);
        self.durations[bucket.unwrap_or(BUCKETS.len())] += 1;
        self.total += check.took;
        if self.history.len() == HISTORY_LENGTH {
            self.history.pop_front();
        }
        self.history.push_back(Sample {
            code,
            took: check.took,
        });
        before.is_none_or(|before| before.code() != code)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::check::unhealthy::Unhealthy;
    use crate::check::verdict::Verdict;

    fn check(seconds: u64, verdict: Verdict) -> Arc<Check> {
        let at = SystemTime::UNIX_EPOCH + Duration::from_secs(seconds);
        Arc::new(Check {
            verdict,
            reached: crate::net::stage::Stage::Waiting,
            took: Duration::from_millis(3),
            at,
            finished: tokio::time::Instant::now(),
        })
    }

    #[test]
    fn counts_results_and_remembers_since_when() {
        let down = || Err(Unhealthy::Unreachable("x".into()));
        let hangs = || Err(Unhealthy::Protocol("x".into()));
        let mut record = Record::default();
        let changes: Vec<_> = [Ok(()), Ok(()), down(), hangs(), hangs(), Ok(())]
            .into_iter()
            .zip(1..)
            .map(|(verdict, second)| record.observe(&check(second, verdict)))
            .collect();

        assert_eq!(changes, [true, false, true, true, false, true]);
        assert_eq!(
            record.results,
            [("ok", 3), ("unreachable", 1), ("protocol", 2)]
        );
        assert_eq!(record.transitions, [2, 1]);
        assert_eq!(record.since, record.last_success);
        assert_eq!(record.consecutive_failures, 0);
        assert_eq!(record.durations.iter().sum::<u64>(), 6);
        assert_eq!(
            record.durations[3], 6,
            "3 ms is within 5 ms and beyond 2.5 ms"
        );
    }

    #[test]
    fn keeps_a_bounded_history() {
        let mut record = Record::default();
        for second in 0..1000 {
            record.observe(&check(second, Ok(())));
        }
        assert_eq!(record.history.len(), HISTORY_LENGTH);
        assert_eq!(record.results, [("ok", 1000)]);
    }
}
