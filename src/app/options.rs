//! The flags that say how to stop.

use std::num::NonZeroU8;

use crate::args::duration::{self, GoDuration};

/// How to stop.
#[derive(Clone, Debug, clap::Args)]
#[group(skip)]
#[command(next_help_heading = "Stopping")]
pub struct Options {
    /// Time for everything in flight to finish after SIGTERM or SIGINT. Keep it below
    /// the pod's terminationGracePeriodSeconds (30 s by default)
    #[arg(long = "grace_period", value_name = "DURATION", default_value = "25s", value_parser = duration::above_zero)]
    pub grace_period: GoDuration,

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
