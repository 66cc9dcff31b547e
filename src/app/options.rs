//! The flags for stopping.

use std::num::NonZeroU8;
use std::time::Duration;

use crate::flags::duration::{self, GoDuration};

/// The options for stopping.
#[derive(Clone, Debug, clap::Args)]
#[group(skip)]
#[command(next_help_heading = "Stopping")]
pub struct Options {
    /// After SIGTERM or SIGINT, the time for all work in flight to finish. Keep it below the
    /// pod's terminationGracePeriodSeconds (30 s by default)
    #[arg(long = "grace_period", value_name = "DURATION", default_value = "25s", value_parser = duration::above_zero)]
    pub grace_period: GoDuration,

    /// After the service was removed from the registry, the time for clients to notice before the
    /// sidecar stops. Waits only if the service was registered
    #[arg(long = "drain", value_name = "DURATION", default_value = "5s")]
    pub drain: GoDuration,

    /// Exit after this many failed checks in a row of a service that was healthy before; the
    /// background monitor makes the checks. For pods whose restartPolicyRules restart all
    /// containers on `--exit_code`. 0 turns it off
    #[arg(
        long = "exit_after_failures",
        value_name = "COUNT",
        default_value = "0"
    )]
    pub exit_after_failures: u32,

    /// The exit code of `--exit_after_failures`, 1 to 255
    #[arg(long = "exit_code", value_name = "CODE", default_value = "88")]
    pub exit_code: NonZeroU8,
}

/// The upper limit of the time for removing the pod from the registry.
const DEREGISTER: Duration = Duration::from_secs(5);

// === impl Options ===

impl Options {
    /// Returns the time for removing the pod from the registry: at most 5 s and a third of the
    /// grace period. The rest is for requests in flight.
    pub fn deregister_limit(&self) -> Duration {
        DEREGISTER.min(self.grace_period.0 / 3)
    }
}
