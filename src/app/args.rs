//! Every flag. The parts own theirs and are flattened here.
//!
//! ```text
//! argv ──▶ go_style: one spelling ──▶ env: what argv left out ──▶ clap ──▶ Args
//! ```

use std::ffi::OsString;

use clap::error::ErrorKind;

use super::environment::Environment;
use super::{go_micro, log, options};
use crate::check::options::{Options as TargetOptions, Protocol};
use crate::check::{monitor, targets};

use crate::flags::notice::Notice;
use crate::flags::{self, CommandLine, ParsedArgs};
use crate::server;

/// Answers Kubernetes probes on behalf of a go-micro service in the same pod.
#[derive(Clone, Debug, clap::Parser)]
#[command(name = "health", version = crate::VERSION, about, after_help = AFTER_HELP, args_override_self = true)]
pub struct Args {
    #[command(flatten)]
    #[expect(missing_docs, reason = "the struct says it")]
    pub target: TargetOptions,

    #[command(flatten)]
    #[expect(missing_docs, reason = "the struct says it")]
    pub targets: targets::options::Options,

    #[command(flatten)]
    #[expect(missing_docs, reason = "the struct says it")]
    pub server: server::options::Options,

    #[command(flatten)]
    #[expect(missing_docs, reason = "the struct says it")]
    pub app: options::Options,

    #[command(flatten)]
    #[expect(missing_docs, reason = "the struct says it")]
    pub monitor: monitor::Options,

    #[cfg(feature = "kubernetes")]
    #[command(flatten)]
    #[expect(missing_docs, reason = "the struct says it")]
    pub registry: crate::registration::options::Options,

    #[command(flatten)]
    #[expect(missing_docs, reason = "the struct says it")]
    pub log: log::Options,

    #[command(flatten)]
    #[expect(missing_docs, reason = "the struct says it")]
    pub go_micro: go_micro::Options,
}

/// What the command line and the environment say.
#[derive(Debug)]
pub struct Understood {
    /// The flags.
    pub args: Args,
    /// Which wire `--protocol=auto` should try first, if go-micro's variables say.
    pub hint: Option<Protocol>,
    /// What the environment says of the pod, if this is one.
    pub environment: Environment,
    /// What to tell the operator once there is a log.
    pub notices: Vec<Notice>,
}

const AFTER_HELP: &str = "\
Example: health --server_name=greeter --server_address=localhost:9091
One check instead, for HEALTHCHECK and exec probes: health probe --help
Flags are also read as -server_name and --server-name, and from the variable in
brackets; a flag wins over its variable. Exit codes: 0 stopped, 1 could not run,
2 usage.";

/// The rules of the sidecar's command line.
const SIDECAR: CommandLine = CommandLine {
    example: "health --server_name=greeter --server_address=localhost:9091",
    shared: Some(go_micro::SHARED),
};

/// Reads the command line and the environment.
///
/// # Errors
///
/// clap's, which also carry `--help` and `--version`; its exit code is 2 for usage.
pub fn read(
    argv: impl IntoIterator<Item = OsString>,
    variable: impl Fn(&str) -> Option<OsString>,
) -> Result<Understood, clap::Error> {
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
    Ok(Understood {
        args,
        hint,
        environment,
        notices,
    })
}

#[cfg(test)]
mod tests;
