//! Every flag of the sidecar. Each part of the program defines its own flags; they are flattened
//! here.
//!
//! ```text
//! argv ──▶ go_style: one spelling ──▶ env: what argv left out ──▶ clap ──▶ Args
//! ```
#![expect(missing_docs, reason = "the struct of a flattened field describes it")]

use std::ffi::OsString;

use clap::error::ErrorKind;

use super::environment::Environment;
use super::{go_micro, log, options};
use crate::check::options::{Options as TargetOptions, Protocol};
use crate::check::{monitor, targets};

use crate::flags::notice::Notice;
use crate::flags::{self, CommandLine, ParsedArgs};
use crate::server;

/// Answers Kubernetes probes for a go-micro service in the same pod
#[derive(Clone, Debug, clap::Parser)]
#[command(name = "health", version = crate::VERSION, about, after_help = AFTER_HELP, args_override_self = true)]
pub struct Args {
    #[command(flatten)]
    pub target: TargetOptions,

    #[command(flatten)]
    pub targets: targets::options::Options,

    #[command(flatten)]
    pub server: server::options::Options,

    #[command(flatten)]
    pub app: options::Options,

    #[command(flatten)]
    pub monitor: monitor::Options,

    #[cfg(feature = "kubernetes")]
    #[command(flatten)]
    pub registry: crate::registration::options::Options,

    #[command(flatten)]
    pub log: log::Options,

    #[command(flatten)]
    pub go_micro: go_micro::Options,
}

/// The configuration: the command line and the environment, parsed.
#[derive(Debug)]
pub struct Configuration {
    /// The flags.
    pub args: Args,
    /// The wire that `--protocol=auto` tries first, if go-micro's variables name one.
    pub hint: Option<Protocol>,
    /// The variables that describe the pod, if the sidecar runs in one.
    pub environment: Environment,
    /// The notices to log once the log is set up.
    pub notices: Vec<Notice>,
}

const AFTER_HELP: &str = "\
Example: health --server_name=greeter --server_address=localhost:9091
For one check, as in HEALTHCHECK and exec probes: health probe --help
Flags are also read as -server_name and --server-name, and from the variable in
brackets; a flag wins over its variable. Exit codes: 0 stopped, 1 could not run,
2 usage.";

/// The rules of the sidecar's command line.
const SIDECAR: CommandLine = CommandLine {
    example: "health --server_name=greeter --server_address=localhost:9091",
    shared: Some(go_micro::SHARED),
};

/// Parses the command line and the environment.
///
/// # Errors
///
/// Returns clap's errors, which also carry `--help` and `--version`. The exit code of a usage
/// error is 2.
pub fn read(
    argv: impl IntoIterator<Item = OsString>,
    variable: impl Fn(&str) -> Option<OsString>,
) -> Result<Configuration, clap::Error> {
    let ParsedArgs { args, notices }: ParsedArgs<Args> = SIDECAR.parse(argv, &variable)?;
    args.targets
        .validate(&args.target.server_name)
        .map_err(|why| flags::command::<Args>().error(ErrorKind::ValueValidation, why))?;
    args.target
        .tls
        .validate()
        .map_err(|why| flags::command::<Args>().error(ErrorKind::ArgumentConflict, why))?;
    let hint = go_micro::hint(args.go_micro.server.as_deref(), &variable);
    let environment = Environment::new(&variable);
    Ok(Configuration {
        args,
        hint,
        environment,
        notices,
    })
}

#[cfg(test)]
mod tests;
