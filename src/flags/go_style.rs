//! Rewrites argv as Go's flag package would read it.
//!
//! `-server_name x`, `--server_name x`, `--server_name=x` and `--server-name=x` are one flag, and
//! all become `--server_name=x`. The next argument is the flag's value, even if it begins with a
//! dash.

use std::ffi::{OsStr, OsString};

use clap::{Arg, Command};

/// Rewrites argv for clap, and returns the flags of `ignore` that argv contains.
pub(crate) fn rewrite(
    command: &Command,
    ignore: &[&str],
    argv: impl IntoIterator<Item = OsString>,
) -> (Vec<OsString>, Vec<String>) {
    let mut argv = argv.into_iter();
    // clap expects the name of the program, which an empty argv does not have.
    let mut rewritten = vec![argv.next().unwrap_or_default()];
    let mut ignored = Vec::new();
    while let Some(text) = argv.next() {
        if text == "--" {
            rewritten.push(text);
            rewritten.extend(argv.by_ref());
            break;
        }
        let Some((name, value)) = split(&text) else {
            rewritten.push(text);
            continue;
        };
        let known = find(command, &name);
        // A flag that has a meaning in this build is not ignored.
        let is_ignored = known.is_none() && ignore.contains(&name.as_str());
        let takes_value = is_ignored || known.is_some_and(needs_value);
        let value = value.or_else(|| if takes_value { argv.next() } else { None });
        if is_ignored {
            ignored.push(name);
        } else {
            rewritten.push(join(&name, value.as_deref()));
        }
    }
    (rewritten, ignored)
}

/// Decides whether the next argument is the flag's value. Go's booleans take a value only after
/// `=`.
fn needs_value(arg: &Arg) -> bool {
    arg.get_action().takes_values()
        && arg
            .get_num_args()
            .is_none_or(|values| values.min_values() > 0)
}

/// Returns the flag of this name or alias.
pub(crate) fn find<'a>(command: &'a Command, name: &str) -> Option<&'a Arg> {
    command.get_arguments().find(|arg| {
        arg.get_long() == Some(name)
            || arg
                .get_all_aliases()
                .is_some_and(|aliases| aliases.contains(&name))
    })
}

/// Splits `-name`, `--name` or either with `=value`; `None` for anything else,
/// including one-letter flags.
fn split(text: &OsStr) -> Option<(String, Option<OsString>)> {
    // Only a value can be other than UTF-8. Every flag refuses such a value, and the refusal shows
    // its replacement characters.
    let text = text.to_string_lossy();
    let flag = text.strip_prefix("--").or_else(|| {
        text.strip_prefix('-')
            .filter(|rest| rest.len() > 1 && rest.as_bytes()[1] != b'=')
    })?;
    let (name, value) = match flag.split_once('=') {
        Some((name, value)) => (name, Some(OsString::from(value))),
        None => (flag, None),
    };
    (!name.is_empty()).then(|| (name.replace('-', "_"), value))
}

fn join(name: &str, value: Option<&OsStr>) -> OsString {
    let mut flag = OsString::from(format!("--{name}"));
    if let Some(value) = value {
        flag.push("=");
        flag.push(value);
    }
    flag
}
