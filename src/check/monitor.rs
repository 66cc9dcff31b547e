//! The background monitor: tick, check, observe, publish.
//!
//! Runs only while a caller needs it (a `Watch`, `--exit_after_failures`), because the prober sets
//! the time of probes. Its checks are real ones, whatever `--cache` says: a cached verdict must not
//! count twice.

use std::num::NonZeroU32;
use std::sync::Arc;

use tokio::sync::{Notify, watch};
use tokio::time;

use crate::check::Target;
use crate::check::health::{Health, Thresholds};
use crate::flags::duration::{self, GoDuration};

/// The options of the monitor.
#[derive(Clone, Debug, clap::Args)]
#[group(skip)]
#[command(
    next_help_heading = "The background monitor, for grpc.health.v1 Watch and --exit_after_failures"
)]
pub struct Options {
    /// The time between two checks
    #[arg(long = "period", value_name = "DURATION", default_value = "5s", value_parser = duration::above_zero)]
    pub period: GoDuration,

    /// Healthy checks in a row that make a service healthy, also after the start
    #[arg(long = "rise", value_name = "COUNT", default_value = "1")]
    pub rise: NonZeroU32,

    /// Unhealthy checks in a row that make a healthy service unhealthy. A service that was never
    /// healthy is unhealthy after the first one
    #[arg(long = "fall", value_name = "COUNT", default_value = "3")]
    pub fall: NonZeroU32,
}

/// Watches one target for its subscribers.
#[derive(Debug)]
pub struct Monitor {
    target: Arc<Target>,
    options: Options,
    state: watch::Sender<MonitorState>,
    subscribed: Notify,
}

/// The state of the target since the monitor began to watch, published at each check.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub struct MonitorState {
    /// The verdict that the thresholds make; `None` before the first check, and until
    /// `--rise` checks were healthy.
    pub verdict: Option<bool>,
    /// Records whether a check has ended.
    pub checked: bool,
    /// The number of unhealthy checks in a row of a service that was healthy before. A service that
    /// never was healthy is still starting, and stays at 0.
    pub failures: u32,
    /// The number of unhealthy checks in a row, of any service.
    unhealthy: u32,
}

// === impl Monitor ===

impl Monitor {
    /// Creates a monitor that does nothing until [`run`](Self::run) and a subscriber.
    pub fn new(target: Arc<Target>, options: Options) -> Self {
        let (state, subscribed) = (watch::Sender::default(), Notify::new());
        Self {
            target,
            options,
            state,
            subscribed,
        }
    }

    /// Subscribes to the state from now on.
    pub fn subscribe(&self) -> watch::Receiver<MonitorState> {
        let receiver = self.state.subscribe();
        self.subscribed.notify_one();
        receiver
    }

    /// Returns the value of `--fall`.
    pub fn fall(&self) -> NonZeroU32 {
        self.options.fall
    }

    /// Returns the target.
    pub fn target(&self) -> &Arc<Target> {
        &self.target
    }

    /// Checks once a period while there is a subscriber. Never ends.
    pub async fn run(&self) {
        let Options { period, rise, fall } = self.options;
        let mut health = Health::new(Thresholds { rise, fall });
        loop {
            while self.state.receiver_count() == 0 {
                // Discards the old verdict: it predates this subscriber.
                health = Health::new(Thresholds { rise, fall });
                self.state.send_replace(MonitorState::default());
                self.subscribed.notified().await;
            }
            let passed = self.target.check_anew().await.verdict.is_ok();
            let verdict = health.observe(passed);
            // A prober may have found the service healthy between two checks of the monitor.
            let was_healthy = self.target.record().last_success.is_some();
            self.state
                .send_modify(|state| state.update(passed, was_healthy, verdict));
            time::sleep(period.0).await;
        }
    }
}

// === impl MonitorState ===

impl MonitorState {
    /// Returns the verdict, but unhealthy only after `fall` unhealthy checks. The first check after
    /// a restart of the sidecar must not undo the earlier state.
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
    async fn checks_only_while_there_is_a_subscriber() {
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
            let mut state = monitor.subscribe();
            let state = state.wait_for(|state| state.verdict.is_some()).await;
            state.map(|state| state.verdict)
        };
        let state = tokio::select! {
            () = monitor.run() => None,
            state = timeout(PATIENCE, watching) => state.unwrap().unwrap(),
        };
        assert_eq!(state, Some(false));

        // The subscriber is gone, so the next turn of the loop waits for another.
        let checks = monitor.target().record().results;
        let idle = timeout(Duration::from_millis(50), monitor.run()).await;
        assert!(idle.is_err() && monitor.target().record().results == checks);
    }

    #[test]
    fn failures_count_from_the_first_healthy_check() {
        let failures = |checks: &str| {
            let (mut state, mut was_healthy) = (MonitorState::default(), false);
            let each = checks.chars().map(|check| {
                was_healthy |= check != '-';
                // `p` is a prober's check, between two checks of the monitor.
                if check != 'p' {
                    state.update(check == '+', was_healthy, None);
                }
                state.failures
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
        let (mut health, mut state) = (Health::new(thresholds), MonitorState::default());
        assert!(!state.checked);
        let settled: Vec<_> = "+-+-+++---"
            .chars()
            .map(|check| {
                let verdict = health.observe(check == '+');
                state.update(check == '+', false, verdict);
                assert!(state.checked);
                state.settled(fall)
            })
            .collect();
        let (up, down) = (Some(true), Some(false));
        assert_eq!(
            settled,
            [None, None, None, None, None, up, up, up, down, down]
        );
    }
}
