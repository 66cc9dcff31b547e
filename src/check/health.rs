//! Decides when a service counts as healthy. Pure: no clock, no I/O.

use std::num::NonZeroU32;

/// The numbers of checks in a row that change a verdict.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) struct Thresholds {
    /// The number of healthy checks that make a service healthy.
    pub rise: NonZeroU32,
    /// The number of unhealthy checks that make it unhealthy.
    pub fall: NonZeroU32,
}

/// A verdict that takes several checks in a row to change.
///
/// An unknown service becomes healthy like an unhealthy one, after `rise` checks. It becomes
/// unhealthy at its first unhealthy check, because it never was healthy.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Health {
    thresholds: Thresholds,
    healthy: Option<bool>,
    contradictions: u32,
}

// === impl Health ===

impl Health {
    /// Creates a health that is unknown until enough checks were observed.
    pub(crate) fn new(thresholds: Thresholds) -> Self {
        Self {
            thresholds,
            healthy: None,
            contradictions: 0,
        }
    }

    /// Observes one check, and returns the verdict if that changed it.
    pub(crate) fn observe(&mut self, passed: bool) -> Option<bool> {
        if self.healthy == Some(passed) {
            self.contradictions = 0;
            return None;
        }
        self.contradictions += 1;
        let Thresholds { rise, fall } = self.thresholds;
        let needed = match (self.healthy, passed) {
            (_, true) => rise.get(),
            (Some(_), false) => fall.get(),
            (None, false) => 1,
        };
        if self.contradictions < needed {
            return None;
        }
        self.healthy = Some(passed);
        self.contradictions = 0;
        self.healthy
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn verdicts(rise: u32, fall: u32, checks: &str) -> String {
        let [rise, fall] = [rise, fall].map(|count| NonZeroU32::new(count).unwrap());
        let mut health = Health::new(Thresholds { rise, fall });
        let verdict = |check| match health.observe(check == '+') {
            Some(true) => 'h',
            Some(false) => 'u',
            None => '.',
        };
        checks.chars().map(verdict).collect()
    }

    #[test]
    fn only_an_unbroken_run_changes_the_verdict() {
        //                        checks       verdicts
        assert_eq!(verdicts(1, 1, "+-+"), "huh");
        assert_eq!(verdicts(2, 1, "+-++-"), ".u.hu");
        assert_eq!(verdicts(1, 3, "+--+---+"), "h.....uh");
        assert_eq!(verdicts(2, 2, "-----"), "u....");
    }

    #[test]
    fn an_unknown_service_needs_rise_checks_too() {
        //                        checks       verdicts
        assert_eq!(verdicts(3, 1, "+++-"), "..hu");
        assert_eq!(verdicts(3, 3, "++-+++"), "..u..h");
        assert_eq!(verdicts(2, 3, "-++--+---"), "u.h.....u");
    }
}
