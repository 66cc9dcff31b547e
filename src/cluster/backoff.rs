//! The delay before a request to the API server is sent again.

use std::time::Duration;

/// The first and the longest delay after a failure.
pub(crate) const FAILED: [Duration; 2] = [Duration::from_millis(500), Duration::from_secs(30)];

/// The first and the longest delay if a permission is missing. It starts at 5 s, because an
/// operator who has just applied the Role is waiting.
pub(crate) const DENIED: [Duration; 2] = [Duration::from_secs(5), Duration::from_mins(5)];

/// Returns the delay after this number of consecutive failures. It begins at the first bound and
/// doubles each time, up to the last bound.
pub(crate) fn delay(failures: u32, [first, last]: [Duration; 2]) -> Duration {
    let times = failures.saturating_sub(1);
    first.saturating_mul(2_u32.saturating_pow(times)).min(last)
}

/// Returns a wide range up to this wait, so that a thousand clients which failed together do not
/// return together.
pub(crate) fn spread(wait: Duration) -> [Duration; 2] {
    [wait / 10, wait]
}

/// Returns a random time between 90 % and 110 % of this time. A thousand pods that failed at the
/// same moment then do not retry at the same moment.
pub(crate) fn jittered(time: Duration) -> Duration {
    time.mul_f64(0.9 + 0.2 * fastrand::f64())
}

#[cfg(test)]
mod tests {
    use super::*;

    const SLOW: [Duration; 2] = [Duration::from_mins(1), Duration::from_mins(5)];

    #[test]
    fn each_failure_is_followed_by_a_longer_wait_up_to_a_bound() {
        let waits = |bounds| [1, 2, 3, 7, 40, u32::MAX].map(|failures| delay(failures, bounds));
        assert_eq!(
            waits(FAILED),
            [500, 1_000, 2_000, 30_000, 30_000, 30_000].map(Duration::from_millis)
        );
        assert_eq!(
            waits(SLOW),
            [60, 120, 240, 300, 300, 300].map(Duration::from_secs)
        );
    }
}
