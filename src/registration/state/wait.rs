//! The waits of a service, and which of them a removal does not wait for. Pure.

use std::time::Duration;

use crate::cluster::Refusal;
use crate::cluster::backoff::{DENIED, FAILED, delay, spread};
use crate::registry::plan::write::Purpose;

/// A wait before a write of this purpose.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) struct Wait {
    pub(super) purpose: Purpose,
    pub(super) reason: Reason,
}

/// The reason of a wait.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Reason {
    /// The first write is spread, or the removal of an earlier name is under way.
    Jitter,
    /// The bucket is empty.
    Bucket,
    /// The latest writes did not stay.
    Contested,
    /// The server refuses this write, and perhaps not another one.
    Denied,
    /// The server cannot take any write now.
    Busy,
    /// Another client wrote at the same time: the pod is read next.
    Conflict,
}

/// The shortest and the longest wait after a failure to remove the registration at the end.
const ENDING: [Duration; 2] = [Duration::from_millis(200), Duration::from_secs(5)];

/// The shortest and the longest wait after another client wrote at the same time.
const CONFLICT: [Duration; 2] = [Duration::from_millis(100), Duration::from_secs(30)];

/// The time that is left for the last attempt before the deadline.
const LAST_ATTEMPT: Duration = Duration::from_millis(500);

/// Returns the wait after a refusal, from its shortest to its longest time.
pub(super) fn after(refusal: &Refusal, failures: u32) -> (Reason, [Duration; 2]) {
    let from = |wait: Duration| [wait, wait + wait / 10];
    match refusal {
        Refusal::Conflict => (Reason::Conflict, spread(delay(failures, CONFLICT))),
        // The next request reads the token again.
        Refusal::Unauthorized if failures == 1 => (Reason::Busy, [Duration::ZERO; 2]),
        refusal if refusal.is_denied() => (Reason::Denied, from(delay(failures, DENIED))),
        Refusal::Invalid(_) | Refusal::TooLarge(_) => (Reason::Denied, from(DENIED[1])),
        refusal => {
            let most = delay(failures, FAILED);
            let wait = refusal.retry_after();
            let wait = wait.map_or_else(|| spread(most), |least| [least, least + most]);
            (Reason::Busy, wait)
        }
    }
}

/// Returns the wait after a refusal of the removal at the end. `Retry-After` counts up to the time
/// that is left, so that there is a last attempt.
pub(super) fn ending(refusal: &Refusal, failures: u32, left: Duration) -> [Duration; 2] {
    if let Some(least) = refusal.retry_after() {
        let last = left.saturating_sub(LAST_ATTEMPT);
        let wait = if last.is_zero() {
            least
        } else {
            least.min(last)
        };
        return [wait; 2];
    }
    let most = delay(failures, ENDING);
    match refusal {
        Refusal::Unauthorized if failures == 1 => [Duration::ZERO; 2],
        _ => [most / 2, most],
    }
}

// === impl Wait ===

impl Wait {
    /// Returns whether the wait ends for a write of another purpose: a removal does not wait for
    /// what concerns only a registration.
    pub(super) fn yields_to(self, purpose: Purpose) -> bool {
        let is_about_the_write = matches!(
            self.reason,
            Reason::Jitter | Reason::Denied | Reason::Contested
        );
        is_about_the_write && purpose == Purpose::Deregister && self.purpose != Purpose::Deregister
    }
}
