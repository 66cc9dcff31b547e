//! The flags that come from the environment, because argv does not have them.
//!
//! A flag of our own has the variable `MICRO_HEALTH_<FLAG>`, and a bad value is refused. A flag
//! that go-micro has too is read from go-micro's variable. A pod may share that variable between
//! both containers by one `envFrom`. A bad value there concerns the service, so it is ignored with
//! a warning.

use std::ffi::OsString;

use clap::{ArgAction, Command};

use super::go_style;
use super::notice::Notice;

/// The flags that go-micro has too, and go-micro's variables.
const SHARED: [(&str, &str); 9] = [
    ("register_interval", "MICRO_REGISTER_INTERVAL"),
    ("register_ttl", "MICRO_REGISTER_TTL"),
    ("registry_address", "MICRO_REGISTRY_ADDRESS"),
    ("server_address", "MICRO_SERVER_ADDRESS"),
    ("server_advertise", "MICRO_SERVER_ADVERTISE"),
    ("server_id", "MICRO_SERVER_ID"),
    ("server_metadata", "MICRO_SERVER_METADATA"),
    ("server_name", "MICRO_SERVER_NAME"),
    ("server_version", "MICRO_SERVER_VERSION"),
];

/// The flags that the environment adds to argv.
#[derive(Debug, Default)]
pub(crate) struct EnvFlags {
    /// `--flag=value` for each variable in use.
    pub argv: Vec<OsString>,
    /// The flags in `argv` and the variables they came from.
    pub names: Vec<(String, String)>,
    /// The shared variables whose values cannot be used.
    pub notices: Vec<Notice>,
}

/// The variable of a flag; `None` for flags that have none.
pub(crate) fn variable_of(flag: &str) -> Option<String> {
    if let Some((_, variable)) = SHARED.iter().find(|(name, _)| *name == flag) {
        return Some((*variable).to_owned());
    }
    let prefix = match flag {
        // `--server` is read by go_micro::hint, and MICRO_CLIENT after it. MICRO_REGISTRY and
        // MICRO_SELECTOR belong to the service: a shared variable never opts in.
        "help" | "version" | "server" | "selector" | "transport" => return None,
        // The variables of Amalgam8.
        "k8s_token" | "k8s_url" => "A8_",
        // The variables of the original's exec probe.
        "connect_timeout" | "rpc_timeout" => "MICRO_",
        // The original's own variable is MICRO_HEALTH_ADDRESS.
        flag if flag.starts_with("health_") => "MICRO_",
        _ => "MICRO_HEALTH_",
    };
    Some([prefix, &flag.to_ascii_uppercase()].concat())
}

/// Names each flag's variable in its help.
pub(crate) fn documented(command: Command) -> Command {
    command.mut_args(|arg| {
        let Some(variable) = arg.get_long().and_then(variable_of) else {
            return arg;
        };
        let help = arg.get_help().map(ToString::to_string).unwrap_or_default();
        arg.help(format!("{help} [{variable}]"))
    })
}

/// Reads the variables of all flags that argv does not give. An empty variable
/// counts as absent, as it does for go-micro.
pub(crate) fn read(
    command: &Command,
    argv: &[OsString],
    check: fn(flag: &str, value: &str) -> Result<(), String>,
    variable: impl Fn(&str) -> Option<OsString>,
) -> EnvFlags {
    let given = |flag: &str| {
        argv.iter().any(|text| {
            let text = text.to_string_lossy();
            let name = text
                .strip_prefix("--")
                .map(|flag| flag.split('=').next().unwrap_or_default());
            name.and_then(|name| go_style::find(command, name))
                .and_then(|arg| arg.get_long())
                == Some(flag)
        })
    };
    let mut from_env = EnvFlags::default();
    for arg in command.get_arguments() {
        let Some(flag) = arg.get_long() else {
            continue;
        };
        let Some(name) = variable_of(flag) else {
            continue;
        };
        let Some(value) = variable(&name).filter(|value| !value.is_empty()) else {
            continue;
        };
        if given(flag) {
            continue;
        }
        if let Err(why) = check(flag, &value.to_string_lossy()) {
            from_env.notices.push(Notice::BadVariable { name, why });
            continue;
        }
        // A variable is one text, in which commas separate the values of a repeated flag.
        let value = value.to_string_lossy();
        let values = match arg.get_action() {
            ArgAction::Append => list(&value).collect(),
            _ => vec![&*value],
        };
        let flags = values
            .iter()
            .map(|value| format!("--{flag}={value}").into());
        from_env.argv.extend(flags);
        from_env.names.push((flag.to_owned(), name));
    }
    from_env
}

/// Returns the elements of a list in a variable. Blanks around an element and a comma at the end are
/// no part of it.
pub(crate) fn list(value: &str) -> impl Iterator<Item = &str> {
    let elements = value.split(',').map(str::trim);
    elements.filter(|element| !element.is_empty())
}

/// Returns a notice for each of these variables that is set.
pub(crate) fn unread(
    names: &[&'static str],
    variable: impl Fn(&str) -> Option<OsString>,
) -> impl Iterator<Item = Notice> {
    let is_set = move |name: &&'static str| variable(name).is_some_and(|value| !value.is_empty());
    names
        .iter()
        .copied()
        .filter(is_set)
        .map(Notice::IgnoredVariable)
}
