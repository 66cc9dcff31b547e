//! Every flag. The parts own theirs and are flattened here.
//!
//! ```text
//! argv ──▶ go_style: one spelling ──▶ env: what argv left out ──▶ clap ──▶ Args
//! ```

use std::ffi::OsString;
use std::fmt;

use clap::error::{ContextKind, ContextValue, ErrorKind};
use clap::{CommandFactory as _, FromArgMatches as _};

use crate::target::options::Protocol;
use crate::{app, log, server, target};

pub mod duration;
pub mod env;
pub mod go_micro;
pub mod go_style;

/// Answers Kubernetes probes on behalf of a go-micro service in the same pod.
#[derive(Clone, Debug, clap::Parser)]
#[command(name = "health", version = crate::VERSION, about, after_help = AFTER_HELP, args_override_self = true)]
pub struct Args {
    #[command(flatten)]
    #[expect(missing_docs, reason = "the struct says it")]
    pub target: target::options::Options,

    #[command(flatten)]
    #[expect(missing_docs, reason = "the struct says it")]
    pub server: server::options::Options,

    #[command(flatten)]
    #[expect(missing_docs, reason = "the struct says it")]
    pub app: app::options::Options,

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
    /// Whether this is a pod: Kubernetes gives every container its own address.
    pub in_pod: bool,
    /// What to tell the operator once there is a log.
    pub notices: Vec<Notice>,
}

/// Something in argv or the environment that changes nothing.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum Notice {
    /// A go-micro flag without meaning for a sidecar.
    IgnoredFlag(String),
    /// A go-micro variable without meaning for a sidecar.
    IgnoredVariable(&'static str),
    /// A variable shared with the service, with a value that is no use here.
    BadVariable {
        /// Its name.
        name: String,
        /// Its value and why it is not used.
        why: String,
    },
}

const AFTER_HELP: &str = "\
Example: health --server_name=greeter --server_address=localhost:9091
Flags are also read as -server_name and --server-name, and from the variable in
brackets; a flag wins over its variable. Exit codes: 0 stopped, 1 could not run,
2 usage.";

const EXAMPLE: &str = "for example: health --server_name=greeter --server_address=localhost:9091";

/// Reads the command line and the environment.
///
/// # Errors
///
/// clap's, which also carry `--help` and `--version`; its exit code is 2 for usage.
pub fn read(
    argv: impl IntoIterator<Item = OsString>,
    variable: impl Fn(&str) -> Option<OsString>,
) -> Result<Understood, clap::Error> {
    let mut command = env::documented(Args::command());
    command.build();
    let (argv, ignored) = go_style::rewrite(&command, argv);
    let mut notices: Vec<_> = ignored.into_iter().map(Notice::IgnoredFlag).collect();
    let from_env = env::read(&command, &argv, &variable);
    let argv = [&argv[..1], &from_env.argv, &argv[1..]].concat();
    notices.extend(from_env.notices);
    let args = command
        .try_get_matches_from_mut(argv)
        .and_then(|matches| Args::from_arg_matches(&matches))
        .map_err(|error| explain(error, &from_env.names))?;
    let conflict = |why| command.error(ErrorKind::ArgumentConflict, why);
    args.target.tls.validate().map_err(conflict)?;
    notices.extend(go_micro::ignored_variables(&variable));
    let hint = go_micro::hint(args.go_micro.server.as_deref(), &variable);
    let in_pod = variable("KUBERNETES_SERVICE_HOST").is_some();
    Ok(Understood {
        args,
        hint,
        in_pod,
        notices,
    })
}

/// Adds to clap's error what it cannot know: the variable that a value came from,
/// and what a whole command line looks like.
fn explain(mut error: clap::Error, from_env: &[(String, String)]) -> clap::Error {
    let tip = match (error.kind(), error.get(ContextKind::InvalidArg)) {
        (ErrorKind::MissingRequiredArgument, _) => Some(EXAMPLE.to_owned()),
        (_, Some(ContextValue::String(flag))) => from_env
            .iter()
            .find(|(name, _)| flag.split_whitespace().next() == Some(&format!("--{name}")))
            .map(|(_, variable)| {
                format!("the value comes from the environment variable {variable}")
            }),
        _ => None,
    };
    if let Some(tip) = tip {
        error.insert(
            ContextKind::Suggested,
            ContextValue::StyledStrs(vec![tip.into()]),
        );
    }
    error
}

// === impl Notice ===

impl Notice {
    /// Logs it: only what an operator may want to change is a warning.
    pub fn log(&self) {
        match self {
            Self::BadVariable { .. } => tracing::warn!("{self}"),
            Self::IgnoredFlag(_) | Self::IgnoredVariable(_) => tracing::debug!("{self}"),
        }
    }
}

impl fmt::Display for Notice {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::IgnoredFlag(name) => {
                write!(f, "Ignoring --{name}: it means nothing to a sidecar")
            }
            Self::IgnoredVariable(name) => {
                write!(f, "Ignoring {name}: it means nothing to a sidecar")
            }
            Self::BadVariable { name, why } => write!(f, "Ignoring {name}: {why}"),
        }
    }
}

#[cfg(test)]
mod tests;
