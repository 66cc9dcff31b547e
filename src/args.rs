//! Every flag. The parts own theirs and are flattened here.
//!
//! ```text
//! argv ──▶ go_style: one spelling ──▶ env: what argv left out ──▶ clap ──▶ Args
//! ```

use std::ffi::OsString;
use std::fmt;

use clap::CommandFactory as _;
use clap::error::{ContextKind, ContextValue, ErrorKind};

use self::env::{Environment, FromEnv};
use crate::target::options::Protocol;
use crate::text::printable;
use crate::{app, log, monitor, selector, server, target, targets};

pub mod duration;
pub mod env;
pub mod go_micro;
pub mod go_style;
mod secret;

/// Answers Kubernetes probes on behalf of a go-micro service in the same pod.
#[derive(Clone, Debug, clap::Parser)]
#[command(name = "health", version = crate::VERSION, about, after_help = AFTER_HELP, args_override_self = true)]
pub struct Args {
    #[command(flatten)]
    #[expect(missing_docs, reason = "the struct says it")]
    pub target: target::options::Options,

    #[command(flatten)]
    #[expect(missing_docs, reason = "the struct says it")]
    pub targets: targets::options::Options,

    #[command(flatten)]
    #[expect(missing_docs, reason = "the struct says it")]
    pub server: server::options::Options,

    #[command(flatten)]
    #[expect(missing_docs, reason = "the struct says it")]
    pub app: app::options::Options,

    #[command(flatten)]
    #[expect(missing_docs, reason = "the struct says it")]
    pub monitor: monitor::Options,

    #[cfg(feature = "kubernetes")]
    #[command(flatten)]
    #[expect(missing_docs, reason = "the struct says it")]
    pub registry: crate::registry::options::Options,

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
        /// Why its value is not used; never the value, which may hold a secret.
        why: String,
    },
    /// The static selector's address of a service whose name has dots.
    DottedName(String),
}

const AFTER_HELP: &str = "\
Example: health --server_name=greeter --server_address=localhost:9091
One check instead, for HEALTHCHECK and exec probes: health probe --help
Flags are also read as -server_name and --server-name, and from the variable in
brackets; a flag wins over its variable. Exit codes: 0 stopped, 1 could not run,
2 usage.";

/// What the sidecar reads.
const SIDECAR: Reading = Reading {
    is_go_micro: true,
    example: "health --server_name=greeter --server_address=localhost:9091",
};

/// How one command reads its command line.
#[derive(Clone, Copy, Debug)]
pub struct Reading {
    /// Whether it also reads the environment and takes go-micro's other flags along.
    pub is_go_micro: bool,
    /// A whole command line, for whoever left out what is required.
    pub example: &'static str,
}

/// The flags of one command, and what to tell the operator about them.
#[derive(Debug)]
pub struct Read<A> {
    /// The flags.
    pub args: A,
    /// What changed nothing.
    pub notices: Vec<Notice>,
}

/// Reads the command line and the environment.
///
/// # Errors
///
/// clap's, which also carry `--help` and `--version`; its exit code is 2 for usage.
pub fn read(
    argv: impl IntoIterator<Item = OsString>,
    variable: impl Fn(&str) -> Option<OsString>,
) -> Result<Understood, clap::Error> {
    let Read { args, notices }: Read<Args> = SIDECAR.read(argv, &variable)?;
    args.targets
        .validate(&args.target.server_name)
        .map_err(|why| Args::command().error(ErrorKind::ValueValidation, why))?;
    args.target
        .tls
        .validate()
        .map_err(|why| Args::command().error(ErrorKind::ArgumentConflict, why))?;
    let hint = go_micro::hint(args.go_micro.server.as_deref(), &variable);
    let environment = Environment::new(&variable);
    Ok(Understood {
        args,
        hint,
        environment,
        notices,
    })
}

// === impl Reading ===

impl Reading {
    /// Reads argv, and for a go-micro command the environment.
    ///
    /// # Errors
    ///
    /// clap's, which also carry `--help` and `--version`.
    pub fn read<A: clap::Parser>(
        self,
        argv: impl IntoIterator<Item = OsString>,
        variable: impl Fn(&str) -> Option<OsString>,
    ) -> Result<Read<A>, clap::Error> {
        let mut command = A::command();
        let ignore: &[_] = if self.is_go_micro {
            &go_micro::IGNORED
        } else {
            &[]
        };
        let (argv, ignored) = go_style::rewrite(&command, ignore, argv);
        let mut notices: Vec<_> = ignored.into_iter().map(Notice::IgnoredFlag).collect();
        let from_env = if self.is_go_micro {
            env::read(&command, &argv, &variable)
        } else {
            FromEnv::default()
        };
        let mut argv = [&argv[..1], &from_env.argv, &argv[1..]].concat();
        let mut names = from_env.names;
        notices.extend(from_env.notices);
        if self.is_go_micro
            && let Some(selected) = selector::select(&argv, &variable)
        {
            argv.insert(1, format!("--server_address={}", selected.address).into());
            let variable = selected.variables.join(" or ");
            if !variable.is_empty() {
                names.push(("server_address".to_owned(), variable));
            }
            if selected.has_dots {
                notices.push(Notice::DottedName(selected.address));
            }
        }
        if self.is_go_micro {
            notices.extend(go_micro::ignored_variables(&variable));
        }
        let has_secret = argv.iter().any(|argument| secret::is_given(argument));
        let args = command
            .try_get_matches_from_mut(argv)
            .and_then(|matches| A::from_arg_matches(&matches))
            .map_err(|error| self.explain::<A>(error, &names, &notices))
            .map_err(|error| shown(error, has_secret))?;
        Ok(Read { args, notices })
    }

    /// Adds to clap's error what it cannot know.
    fn explain<A: clap::Parser>(
        self,
        error: clap::Error,
        names: &[(String, String)],
        notices: &[Notice],
    ) -> clap::Error {
        if error.kind() == ErrorKind::DisplayHelp && self.is_go_micro {
            // Only whoever reads the help pays for its variables.
            let documented = env::documented(A::command());
            return documented
                .try_get_matches_from(["", "--help"])
                .err()
                .unwrap_or(error);
        }
        explain(error, names, notices, self.example)
    }
}

/// Adds the variable that a value came from, and what a whole command line looks like.
fn explain(
    mut error: clap::Error,
    from_env: &[(String, String)],
    notices: &[Notice],
    example: &str,
) -> clap::Error {
    let tips: Vec<_> = match (error.kind(), error.get(ContextKind::InvalidArg)) {
        (ErrorKind::MissingRequiredArgument, _) => {
            // There is no log yet that could tell why a variable did not help.
            let unused = notices.iter().filter_map(|notice| match notice {
                Notice::BadVariable { name, why } => Some(format!("{name} is not used: {why}")),
                _ => None,
            });
            unused.chain([format!("for example: {example}")]).collect()
        }
        (_, Some(ContextValue::String(argument))) => from_env
            .iter()
            .filter(|(name, _)| flag(argument) == Some(name))
            .map(|(_, variable)| {
                format!("the value comes from the environment variable {variable}")
            })
            .collect(),
        _ => Vec::new(),
    };
    if !tips.is_empty() {
        let tips = tips.into_iter().map(Into::into).collect();
        error.insert(ContextKind::Suggested, ContextValue::StyledStrs(tips));
    }
    error
}

/// The name of a flag that clap names with its value's name behind it.
fn flag(argument: &str) -> Option<&str> {
    argument.split_whitespace().next()?.strip_prefix("--")
}

/// The error as it may be shown: without a secret, and without control characters.
/// `has_secret` says whether a flag that can hold one was given.
fn shown(mut error: clap::Error, has_secret: bool) -> clap::Error {
    let argument = text(&error, ContextKind::InvalidArg);
    let named = argument.as_deref().and_then(flag);
    // The rest of a secret with a space that was not quoted.
    let is_rest = has_secret && error.kind() == ErrorKind::UnknownArgument && named.is_none();
    // clap says something else of an empty value.
    let is_secret = named.is_some_and(secret::is_in)
        && text(&error, ContextKind::InvalidValue).is_some_and(|value| !value.is_empty());
    for (kind, is_hidden) in [
        (ContextKind::InvalidArg, is_rest),
        (ContextKind::InvalidValue, is_secret),
    ] {
        let Some(text) = text(&error, kind) else {
            continue;
        };
        let shown = if is_hidden {
            secret::HIDDEN.into()
        } else {
            printable(&text)
        };
        error.insert(kind, ContextValue::String(shown.into_owned()));
    }
    error
}

/// One text that a clap error carries.
fn text(error: &clap::Error, kind: ContextKind) -> Option<String> {
    match error.get(kind) {
        Some(ContextValue::String(text)) => Some(text.clone()),
        _ => None,
    }
}

// === impl Notice ===

impl Notice {
    /// Logs it: only what an operator may want to change is a warning.
    pub fn log(&self) {
        match self {
            Self::BadVariable { .. } | Self::DottedName(_) => tracing::warn!("{self}"),
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
            Self::DottedName(address) => write!(
                f,
                "--selector=static makes {address:?} of the service's name, and no Service has dots in its name: give --server_address"
            ),
        }
    }
}

#[cfg(test)]
mod tests;
