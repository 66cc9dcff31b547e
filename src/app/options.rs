//! The flags that say how to stop.

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
}
