//! The command line of `health resolve`.

use super::super::target::Target;
use crate::args::Reading;
use crate::cluster;

/// How `health resolve` reads its command line.
pub const RESOLVE: Reading = Reading {
    is_go_micro: true,
    example: "health resolve kubernetes:///greeter.shop:grpc",
};

/// Shows the endpoints of a Service, as a client with a kubernetes:// resolver finds them
#[derive(Clone, Debug, clap::Parser)]
#[command(name = "health resolve", bin_name = "health resolve", version = crate::VERSION, after_help = AFTER_HELP, args_override_self = true)]
pub struct Asked {
    /// `kubernetes:///SERVICE[.NAMESPACE][:PORT]`, or any other form that kuberesolver
    /// takes; PORT is a name, or a number of the endpoints and not of the Service
    #[arg(value_name = "TARGET")]
    pub target: Target,

    /// Show every change until stopped
    #[arg(
        short = 'w',
        long = "watch",
        value_name = "BOOL",
        num_args = 0..=1,
        require_equals = true,
        default_value = "false",
        default_missing_value = "true"
    )]
    pub watch: bool,

    /// One address a line, or JSON
    #[arg(
        short = 'o',
        long = "output",
        value_name = "FORMAT",
        default_value = "text"
    )]
    pub output: Output,

    /// Show endpoints that are not ready too, unless they are terminating
    #[arg(
        long = "include_not_ready",
        value_name = "BOOL",
        num_args = 0..=1,
        require_equals = true,
        default_value = "false",
        default_missing_value = "true"
    )]
    pub include_not_ready: bool,

    #[command(flatten)]
    #[expect(missing_docs, reason = "the struct says it")]
    pub cluster: cluster::options::Options,
}

/// The form of the answer.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq, clap::ValueEnum)]
pub enum Output {
    /// One address a line.
    #[default]
    Text,
    /// One object, with --watch one a line.
    Json,
}

const AFTER_HELP: &str = "\
Example: health resolve kubernetes:///greeter.shop:grpc
The service account needs list and watch of endpointslices (discovery.k8s.io); get of
services makes better errors. Flags are also read as -include_not_ready and
--include-not-ready, and from the variable in brackets; a flag wins over its variable.
Exit codes: 0 found, 1 refused or not found, 2 usage.";
