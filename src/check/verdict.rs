//! The result of one check.

use std::time::{Duration, SystemTime};

use tokio::time::Instant;

use super::unhealthy::Unhealthy;
use crate::net::stage::Stage;

/// A healthy verdict, or the reason why the service is unhealthy.
pub(crate) type Verdict = Result<(), Unhealthy>;

/// The code of a healthy verdict, beside the codes of the reasons of [`Unhealthy`].
pub(crate) const HEALTHY: &str = "ok";

/// A finished check.
#[derive(Clone, Debug)]
pub struct Check {
    /// The verdict on the service.
    pub verdict: Verdict,
    /// The stage that its last connection reached.
    pub reached: Stage,
    /// The duration of the check.
    pub took: Duration,
    /// The time at which it was finished, for people.
    pub at: SystemTime,
    /// The time at which it was finished, for measuring its age.
    pub finished: Instant,
}

// === impl Check ===

impl Check {
    /// Creates a check that began at `started` and is finished now.
    pub fn finish(started: Instant, verdict: Verdict, reached: Stage) -> Self {
        let finished = Instant::now();
        Self {
            verdict,
            reached,
            took: finished - started,
            at: SystemTime::now(),
            finished,
        }
    }

    /// Returns [`HEALTHY`], or the reason's code.
    pub fn code(&self) -> &'static str {
        code(&self.verdict)
    }
}

/// Returns [`HEALTHY`], or the reason's code.
pub(crate) fn code(verdict: &Verdict) -> &'static str {
    match verdict {
        Ok(()) => HEALTHY,
        Err(unhealthy) => unhealthy.reason().code,
    }
}
