//! The background monitor: tick, check, observe, publish.
//!
//! Runs only while something needs it (a `Watch`, `--exit_after_failures`): probes
//! have their own clock, the prober's. Its checks are real ones, whatever `--cache` says: a
//! verdict told again must not count again.

use std::num::NonZeroU32;
use std::sync::Arc;

use tokio::sync::{Notify, watch};
use tokio::time;

use crate::check::Target;
use crate::check::health::{Health, Thresholds};
use crate::flags::duration::{self, GoDuration};

/// How to monitor.
#[derive(Clone, Debug, clap::Args)]
#[group(skip)]
#[command(
    next_help_heading = "The background monitor, for grpc.health.v1 Watch and --exit_after_failures"
)]
pub struct Options {
    /// Time between two checks
    #[arg(long = "period", value_name = "DURATION", default_value = "5s", value_parser = duration::above_zero)]
    pub period: GoDuration,

    /// Healthy checks in a row that make a service healthy, the first ones too
    #[arg(long = "rise", value_name = "COUNT", default_value = "1")]
    pub rise: NonZeroU32,

    /// Unhealthy checks in a row that make a healthy service unhealthy; one that was not
    /// healthy yet is so at the first
    #[arg(long = "fall", value_name = "COUNT", default_value = "3")]
    pub fall: NonZeroU32,
}

/// Watches one target for those who subscribe.
#[derive(Debug)]
pub struct Monitor {
    target: Arc<Target>,
    options: Options,
    seen: watch::Sender<Seen>,
    subscribed: Notify,
}

/// What the monitor has seen since it began to watch; published at each check.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub struct Seen {
    /// The verdict that the thresholds make; `None` before the first check, and until
    /// `--rise` checks were healthy.
    pub verdict: Option<bool>,
    /// Whether a check has ended.
    pub checked: bool,
    /// Unhealthy checks in a row of a service that was healthy before: one that never
    /// was is still starting, and stays at 0.
    pub failures: u32,
    /// Unhealthy checks in a row, of any service.
    unhealthy: u32,
}

// === impl Monitor ===

impl Monitor {
    /// Does nothing until [`run`](Self::run) and a subscriber.
    pub fn new(target: Arc<Target>, options: Options) -> Self {
        let (seen, subscribed) = (watch::Sender::default(), Notify::new());
        Self {
            target,
            options,
            seen,
            subscribed,
        }
    }

    /// What is seen from now on.
    pub fn subscribe(&self) -> watch::Receiver<Seen> {
        let receiver = self.seen.subscribe();
        self.subscribed.notify_one();
        receiver
    }

    /// `--fall`.
    pub fn fall(&self) -> NonZeroU32 {
        self.options.fall
    }

    /// The target.
    pub fn target(&self) -> &Arc<Target> {
        &self.target
    }

    /// Checks once a period while there is a subscriber. Never ends.
    pub async fn run(&self) {
        let Options { period, rise, fall } = self.options;
        let mut health = Health::new(Thresholds { rise, fall });
        loop {
            while self.seen.receiver_count() == 0 {
                // What was seen long ago is no start for who comes next.
                health = Health::new(Thresholds { rise, fall });
                self.seen.send_replace(Seen::default());
                self.subscribed.notified().await;
            }
            let passed = self.target.check_anew().await.verdict.is_ok();
            let verdict = health.observe(passed);
            // A prober may have found it well between two looks of ours.
            let was_healthy = self.target.record().last_success.is_some();
            self.seen
                .send_modify(|seen| seen.update(passed, was_healthy, verdict));
            time::sleep(period.0).await;
        }
    }
}

// === impl Seen ===

impl Seen {
    /// The verdict, but unhealthy only after `fall` checks that say so: the first check
    /// after a start of our own is not to undo what stood before.
    pub fn settled(&self, fall: NonZeroU32) -> Option<bool> {
        self.verdict
            .filter(|healthy| *healthy || self.unhealthy >= fall.get())
    }

    fn update(&mut self, passed: bool, was_healthy: bool, verdict: Option<bool>) {
        self.verdict = verdict.or(self.verdict);
        self.checked = true;
        self.unhealthy = if passed {
            0
        } else {
            self.unhealthy.saturating_add(1)
        };
        self.failures = if passed || !was_healthy {
            0
        } else {
            self.failures.saturating_add(1)
        };
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::check::target::Settings;
    use std::time::Duration;
    use tokio::net::TcpListener;
    use tokio::time::timeout;

    const PATIENCE: Duration = Duration::from_secs(5);

    #[tokio::test]
    async fn checks_only_while_somebody_wants_to_know() {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let argv = [
            "health",
            "--server_name=greeter",
            "--period=10ms",
            &format!("--server_address={address}"),
        ]
        .map(Into::into);
        let args = crate::app::args::read(argv, |_| None).unwrap().args;
        let monitor = Monitor::new(
            Target::new(args.target, &Settings::default()).unwrap(),
            args.monitor,
        );
        drop(listener);

        let watching = async {
            let mut seen = monitor.subscribe();
            let seen = seen.wait_for(|seen| seen.verdict.is_some()).await;
            seen.map(|seen| seen.verdict)
        };
        let seen = tokio::select! {
            () = monitor.run() => None,
            seen = timeout(PATIENCE, watching) => seen.unwrap().unwrap(),
        };
        assert_eq!(seen, Some(false));

        // The subscriber is gone: the next turn of the loop waits for another.
        let checks = monitor.target().record().results;
        let idle = timeout(Duration::from_millis(50), monitor.run()).await;
        assert!(idle.is_err() && monitor.target().record().results == checks);
    }

    #[test]
    fn failures_count_from_the_first_healthy_check() {
        let failures = |checks: &str| {
            let (mut seen, mut was_healthy) = (Seen::default(), false);
            let each = checks.chars().map(|check| {
                was_healthy |= check != '-';
                // `p` is a prober's, between two looks of the monitor.
                if check != 'p' {
                    seen.update(check == '+', was_healthy, None);
                }
                seen.failures
            });
            each.collect::<Vec<_>>()
        };
        assert_eq!(failures("--+--+-"), [0, 0, 0, 1, 2, 0, 1]);
        assert_eq!(failures("--p--"), [0, 0, 0, 1, 2]);
    }

    #[test]
    fn an_unhealthy_verdict_settles_after_fall_checks() {
        let fall = NonZeroU32::new(2).unwrap();
        let thresholds = Thresholds {
            rise: NonZeroU32::new(2).unwrap(),
            fall,
        };
        let (mut health, mut seen) = (Health::new(thresholds), Seen::default());
        assert!(!seen.checked);
        let settled: Vec<_> = "+-+-+++---"
            .chars()
            .map(|check| {
                let verdict = health.observe(check == '+');
                seen.update(check == '+', false, verdict);
                assert!(seen.checked);
                seen.settled(fall)
            })
            .collect();
        let (up, down) = (Some(true), Some(false));
        assert_eq!(
            settled,
            [None, None, None, None, None, up, up, up, down, down]
        );
    }
}
