//! The flags that say how to stop.

use std::num::NonZeroU8;
use std::time::Duration;

use crate::flags::duration::{self, GoDuration};

/// How to stop.
#[derive(Clone, Debug, clap::Args)]
#[group(skip)]
#[command(next_help_heading = "Stopping")]
pub struct Options {
    /// Time for everything in flight to finish after SIGTERM or SIGINT. Keep it below
    /// the pod's terminationGracePeriodSeconds (30 s by default)
    #[arg(long = "grace_period", value_name = "DURATION", default_value = "25s", value_parser = duration::above_zero)]
    pub grace_period: GoDuration,

    /// After the service was taken out of the registry, time for its clients to notice
    /// before the sidecar stops; waits only if it was registered
    #[arg(long = "drain", value_name = "DURATION", default_value = "5s")]
    pub drain: GoDuration,

    /// Exit when a service that was healthy has failed this many checks of the
    /// background monitor in a row: for pods whose restartPolicyRules restart all
    /// containers on `--exit_code`. 0 is off
    #[arg(
        long = "exit_after_failures",
        value_name = "COUNT",
        default_value = "0"
    )]
    pub exit_after_failures: u32,

    /// The exit code for that, 1 to 255
    #[arg(long = "exit_code", value_name = "CODE", default_value = "88")]
    pub exit_code: NonZeroU8,
}

/// Most of the grace period that taking the pod out of the registry may use.
const DEREGISTER: Duration = Duration::from_secs(5);

// === impl Options ===

impl Options {
    /// Time to take the pod out of the registry: the rest of the grace period is for
    /// what is in flight.
    pub fn deregister_limit(&self) -> Duration {
        DEREGISTER.min(self.grace_period.0 / 3)
    }
}
