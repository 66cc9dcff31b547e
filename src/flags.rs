//! A command line as Go's tools read it, completed from the environment.
//!
//! ```text
//! argv ──▶ go_style: one spelling ──▶ env: the variables of flags that argv lacks ──▶ clap ──▶ ParsedArgs
//! ```

use std::ffi::OsString;

use clap::error::{ContextKind, ContextValue, ErrorKind};

use self::notice::Notice;
use crate::text::printable;

mod boolean;
pub(crate) mod duration;
pub(crate) mod env;
pub(crate) mod go_style;
pub(crate) mod notice;
pub(crate) mod secret;

/// The rules by which one command reads its command line.
#[derive(Clone, Copy, Debug)]
pub(crate) struct CommandLine {
    /// A whole command line, for the error about a required flag that is missing.
    pub example: &'static str,
    /// The flags and variables that the service's container has too; `None` for a command that
    /// reads neither those nor any other variable.
    pub shared: Option<SharedFlags>,
}

/// The flags and variables of go-micro, which a pod may give to both of its containers.
#[derive(Clone, Copy, Debug)]
pub(crate) struct SharedFlags {
    /// The flags that are accepted with any value when the command has no flag of that name.
    pub ignored: &'static [&'static str],
    /// The variables that are read by no flag, and are worth a line in the log.
    pub unread: &'static [&'static str],
    /// Checks the value of a shared variable: a bad one is ignored with a warning.
    pub check: fn(flag: &str, value: &str) -> Result<(), String>,
    /// Derives one more flag from the others.
    pub derive: fn(argv: &[OsString], variable: Variables<'_>) -> Option<DerivedFlag>,
}

/// The environment: the value of a variable, by its name.
pub(crate) type Variables<'a> = &'a dyn Fn(&str) -> Option<OsString>;

/// A flag that is derived from the others.
#[derive(Debug)]
pub(crate) struct DerivedFlag {
    /// The name of the flag.
    pub flag: &'static str,
    /// The value of the flag.
    pub value: String,
    /// The variables that the value depends on.
    pub variables: Vec<&'static str>,
    /// A message for the operator about the value.
    pub notice: Option<Notice>,
}

/// The flags of one command, and the messages for the operator about them.
#[derive(Debug)]
pub(crate) struct ParsedArgs<A> {
    /// The flags.
    pub args: A,
    /// The flags and variables that changed nothing.
    pub notices: Vec<Notice>,
}

/// Returns clap's command with the boolean flags of Go.
pub(crate) fn command<A: clap::CommandFactory>() -> clap::Command {
    A::command().mut_args(boolean::with_value)
}

// === impl CommandLine ===

impl CommandLine {
    /// Reads the command line, and the environment unless [`CommandLine::shared`] is `None`.
    ///
    /// # Errors
    ///
    /// The errors of clap, which also carry the texts of `--help` and `--version`.
    pub(crate) fn parse<A: clap::Parser>(
        self,
        argv: impl IntoIterator<Item = OsString>,
        variable: impl Fn(&str) -> Option<OsString>,
    ) -> Result<ParsedArgs<A>, clap::Error> {
        let mut command = command::<A>();
        let ignored = self.shared.map_or(&[][..], |shared| shared.ignored);
        let (mut argv, ignored) = go_style::rewrite(&command, ignored, argv);
        let mut notices: Vec<_> = ignored.into_iter().map(Notice::IgnoredFlag).collect();
        let mut names = Vec::new();
        if let Some(shared) = self.shared {
            let from_env = env::read(&command, &argv, shared.check, &variable);
            argv.splice(1..1, from_env.argv);
            names = from_env.names;
            notices.extend(from_env.notices);
            if let Some(derived) = (shared.derive)(&argv, &variable) {
                let flag = derived.flag;
                argv.insert(1, format!("--{flag}={}", derived.value).into());
                let variables = derived.variables.join(" or ");
                if !variables.is_empty() {
                    names.push((flag.to_owned(), variables));
                }
                notices.extend(derived.notice);
            }
            notices.extend(env::unread(shared.unread, &variable));
        }
        let has_secret = argv
            .iter()
            .any(|argument| secret::is_secret_argument(argument));
        let args = command
            .try_get_matches_from_mut(argv)
            .and_then(|matches| A::from_arg_matches(&matches))
            .map_err(|error| self.explain::<A>(error, &names, &notices))
            .map_err(|error| presentable(error, has_secret))?;
        Ok(ParsedArgs { args, notices })
    }

    /// Puts the variables' names into the help, and adds tips to every other error.
    fn explain<A: clap::Parser>(
        self,
        error: clap::Error,
        names: &[(String, String)],
        notices: &[Notice],
    ) -> clap::Error {
        if error.kind() == ErrorKind::DisplayHelp && self.shared.is_some() {
            // The names of the variables are added only when the help is printed.
            let documented = env::documented(command::<A>());
            return documented
                .try_get_matches_from(["", "--help"])
                .err()
                .unwrap_or(error);
        }
        explain(error, names, notices, self.example)
    }
}

/// Adds the variable that a value came from, and an example of a whole command line.
fn explain(
    mut error: clap::Error,
    from_env: &[(String, String)],
    notices: &[Notice],
    example: &str,
) -> clap::Error {
    let tips: Vec<_> = match (error.kind(), error.get(ContextKind::InvalidArg)) {
        (ErrorKind::MissingRequiredArgument, _) => {
            // No log exists yet, so the error itself says why a variable was not used.
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

/// Removes secrets and control characters from an error. `has_secret` says whether the command
/// line has a flag that can hold a secret.
fn presentable(mut error: clap::Error, has_secret: bool) -> clap::Error {
    let argument = text(&error, ContextKind::InvalidArg);
    let named = argument.as_deref().and_then(flag);
    // A bare argument may be the rest of a secret with a space that was not quoted.
    let is_rest = has_secret && error.kind() == ErrorKind::UnknownArgument && named.is_none();
    // clap has another error for an empty value.
    let is_secret = named.is_some_and(secret::is_secret_flag)
        && text(&error, ContextKind::InvalidValue).is_some_and(|value| !value.is_empty());
    for (kind, is_hidden) in [
        (ContextKind::InvalidArg, is_rest),
        (ContextKind::InvalidValue, is_secret),
    ] {
        let Some(text) = text(&error, kind) else {
            continue;
        };
        let text = if is_hidden {
            secret::HIDDEN.into()
        } else {
            printable(&text)
        };
        error.insert(kind, ContextValue::String(text.into_owned()));
    }
    error
}

/// The text of one kind that an error of clap carries.
fn text(error: &clap::Error, kind: ContextKind) -> Option<String> {
    match error.get(kind) {
        Some(ContextValue::String(text)) => Some(text.clone()),
        _ => None,
    }
}
