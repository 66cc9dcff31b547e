//! The flags of `health probe` and of the original's `probe`.

use crate::app::go_micro;
use crate::cli::output::Output;
use crate::flags::CommandLine;
use crate::flags::duration::{self, GoDuration};

/// The rules of `health probe`'s command line.
pub(crate) const HEALTH: CommandLine = CommandLine {
    shared: Some(go_micro::SHARED),
    example: "health probe --server_name=greeter --server_address=localhost:9091",
};

/// The rules of `probe`'s command line.
pub(crate) const MICRO: CommandLine = CommandLine {
    shared: Some(go_micro::SHARED),
    example: "probe --server_name=greeter --server_address=localhost:9091",
};

/// Checks a go-micro service once, for HEALTHCHECK, exec probes and people.
#[derive(Clone, Debug, clap::Parser)]
#[command(name = "health probe", bin_name = "health probe", version = crate::VERSION, after_help = HEALTH_CODES, args_override_self = true)]
pub(crate) struct Health {
    #[command(flatten)]
    pub common: Common,
}

/// Checks a go-micro service once, as the exec probe of micro/kubernetes did.
#[derive(Clone, Debug, clap::Parser)]
#[command(name = "probe", bin_name = "probe", version = crate::VERSION, after_help = MICRO_CODES, args_override_self = true)]
pub(crate) struct Micro {
    #[command(flatten)]
    pub common: Common,

    /// The time limit for connecting
    #[arg(long = "connect_timeout", value_name = "DURATION", default_value = "1s", value_parser = duration::above_zero)]
    pub connect_timeout: GoDuration,

    /// The time limit for the answer, once connected
    #[arg(long = "rpc_timeout", value_name = "DURATION", default_value = "1s", value_parser = duration::above_zero)]
    pub rpc_timeout: GoDuration,
}

/// The flags of both tools.
#[derive(Clone, Debug, clap::Args)]
#[group(skip)]
pub(crate) struct Common {
    #[command(flatten)]
    pub target: crate::check::options::Options,

    #[command(flatten)]
    pub report: Report,

    #[cfg(feature = "kubernetes")]
    #[command(flatten)]
    pub cluster: crate::cluster::options::Options,

    #[command(flatten)]
    pub go_micro: go_micro::Options,
}

/// The options of the output and the exit code.
#[derive(Clone, Copy, Debug, Default, clap::Args)]
#[group(skip)]
#[command(next_help_heading = "The answer")]
pub struct Report {
    /// The form of the answer: one line of text or one JSON object
    #[arg(
        short = 'o',
        long = "output",
        value_name = "FORMAT",
        default_value = "text"
    )]
    pub output: Output,

    /// Log each step to stderr
    #[arg(short = 'v', long = "verbose")]
    pub verbose: bool,

    /// Print nothing; only the exit code carries the result
    #[arg(short = 'q', long = "quiet")]
    pub quiet: bool,

    /// Exit with 1 for every failure, as Docker's HEALTHCHECK requires
    #[arg(long = "exit01")]
    pub exit01: bool,
}

// === impl Report ===

impl Report {
    /// Returns the exit code, limited to 0 and 1 by `--exit01`.
    pub fn bounded(self, code: u8) -> u8 {
        if self.exit01 { code.min(1) } else { code }
    }
}

const HEALTH_CODES: &str = "\
Example: health probe --server_name=greeter --server_address=localhost:9091
Exit codes: 0 healthy, 1 usage, 2 could not connect, 3 the call failed or timed out,
4 the service answered that it is not well; with --exit01 only 0 and 1.";

const MICRO_CODES: &str = "\
Exit codes: 0 healthy, 1 bad arguments, 2 the call failed, 4 the service answered that
it is not well. --check_timeout is ignored: --connect_timeout and --rpc_timeout apply.";
