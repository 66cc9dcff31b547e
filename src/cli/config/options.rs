//! The command lines of `health config`.

use std::ffi::OsString;

use clap::CommandFactory as _;
use clap::error::{Error, ErrorKind};

use crate::app::go_micro;
use crate::cli::output::Output;
use crate::cluster::names;
use crate::cluster::options::{self as cluster, ApiServer, SERVICE_ACCOUNT};
use crate::flags::{CommandLine, ParsedArgs};

/// A parsed command line of `health config`.
#[derive(Clone, Debug)]
pub(crate) struct Request {
    /// The path to show; empty for everything.
    pub path: Vec<String>,
    /// Prints every later change too.
    pub watch: bool,
    /// The form of the answer.
    pub output: Output,
    /// The `ConfigMap`.
    pub config_map: String,
    /// The prefixes of the variables that are settings; empty for all variables.
    pub prefixes: Vec<String>,
    /// Leaves the environment out.
    pub without_env: bool,
    /// The API server and the `ConfigMap`'s namespace.
    pub cluster: cluster::Options,
}

/// Shows the setting at one path
#[derive(Clone, Debug, clap::Parser)]
#[command(name = "health config get", bin_name = "health config get", version = crate::VERSION, after_help = GET, args_override_self = true)]
struct GetArgs {
    /// The path, one argument for each element: the `ConfigMap`'s key, then the name inside it
    #[arg(value_name = "PATH", required = true)]
    path: Vec<String>,

    #[command(flatten)]
    common: Common,
}

/// Shows all settings
#[derive(Clone, Debug, clap::Parser)]
#[command(name = "health config dump", bin_name = "health config dump", version = crate::VERSION, after_help = DUMP, args_override_self = true)]
struct DumpArgs {
    #[command(flatten)]
    common: Common,
}

/// The flags of both commands.
#[derive(Clone, Debug, clap::Args)]
#[group(skip)]
struct Common {
    /// Keep running and show each change of the `ConfigMap`: created, edited, deleted
    #[arg(long = "watch")]
    watch: bool,

    /// The form of the answer: text, or JSON on one line
    #[arg(
        short = 'o',
        long = "output",
        value_name = "FORMAT",
        default_value = "text"
    )]
    output: Output,

    /// The name of the `ConfigMap`
    #[arg(
        long = "config_map",
        value_name = "NAME",
        default_value = "micro",
        value_parser = name
    )]
    config_map: String,

    /// The namespace of the `ConfigMap`. As in micro/kubernetes, the default is not the pod's own
    /// namespace
    #[arg(long = "config_namespace", value_name = "NAMESPACE", default_value = "default", value_parser = cluster::namespace)]
    config_namespace: String,

    /// Read only variables that begin with this prefix and a `_`; repeat the flag for more
    /// prefixes [default: all variables]
    #[arg(long = "env_prefix", value_name = "PREFIX", action = clap::ArgAction::Append)]
    env_prefix: Vec<String>,

    /// Ignore the environment
    #[arg(long = "without_env")]
    without_env: bool,

    /// The API server, if not the pod's own, such as `http://127.0.0.1:8001` for kubectl proxy; a
    /// token is sent over https only
    #[arg(
        long = "registry_address",
        value_name = "URL",
        help_heading = "The API server"
    )]
    registry_address: Option<ApiServer>,

    /// The folder with the service account's token and ca.crt, which are read again when they
    /// rotate
    #[arg(
        long = "service_account",
        value_name = "DIR",
        default_value = SERVICE_ACCOUNT,
        help_heading = "The API server"
    )]
    service_account: std::path::PathBuf,
}

const GET: &str = "\
Example: health config get mongodb host
The ConfigMap wins over the environment, where MONGODB_HOST has the same path.
Exit codes: 0 shown, 1 not set, or the ConfigMap is missing or forbidden (the
environment's settings are still shown), 2 usage.";

const DUMP: &str = "\
Example: health config dump -o json --without_env
Shows passwords, if any are set. Exit codes: 0 shown, 1 the ConfigMap is missing or
forbidden (the environment's settings are still shown), 2 usage.";

// === impl Request ===

impl From<Common> for Request {
    fn from(common: Common) -> Self {
        let Common {
            watch,
            output,
            config_map,
            config_namespace,
            env_prefix,
            without_env,
            registry_address,
            service_account,
        } = common;
        Self {
            path: Vec::new(),
            watch,
            output,
            config_map,
            prefixes: env_prefix,
            without_env,
            cluster: cluster::Options {
                registry_address,
                registry_namespace: Some(config_namespace),
                service_account,
            },
        }
    }
}

/// Parses a command line whose first word, after the tool's name, is the command.
///
/// # Errors
///
/// Returns clap's errors, which also carry `--help` and `--version`.
pub(crate) fn read(
    mut argv: Vec<OsString>,
    variable: impl Fn(&str) -> Option<OsString>,
) -> Result<Request, Error> {
    let word = |argv: &[OsString], at: usize| argv.get(at)?.to_str().map(str::to_owned);
    let mut command = word(&argv, 1);
    if command.as_deref() == Some("help")
        && let Some(of) = word(&argv, 2)
    {
        command = Some(of);
        argv.splice(1.., ["help".into(), "--help".into()]);
    }
    match command.as_deref() {
        Some("get") => {
            argv.remove(1);
            let ParsedArgs { args, .. }: ParsedArgs<GetArgs> =
                rules("health config get mongodb host").parse(argv, variable)?;
            Ok(Request {
                path: args.path,
                ..args.common.into()
            })
        }
        Some("dump") => {
            argv.remove(1);
            let ParsedArgs { args, .. }: ParsedArgs<DumpArgs> =
                rules("health config dump").parse(argv, variable)?;
            Ok(args.common.into())
        }
        Some("--help" | "-h" | "help") => {
            // clap's own parser prints this help.
            let help = overview().try_get_matches_from(["health config", "--help"]);
            Err(help.expect_err("--help must return the help"))
        }
        _ => Err(DumpArgs::command().error(
            ErrorKind::InvalidSubcommand,
            "expected get PATH or dump: see health config --help",
        )),
    }
}

/// Returns the command behind `health config --help`.
fn overview() -> clap::Command {
    let command = |name: &'static str, about: &'static str| clap::Command::new(name).about(about);
    clap::Command::new("health config")
        .bin_name("health config")
        .about("Shows the config that micro/kubernetes gives a service: the environment, overridden by the ConfigMap micro")
        .disable_help_subcommand(true)
        .subcommand(command(
            "get",
            "Shows the setting at one path, such as: health config get mongodb host",
        ))
        .subcommand(command("dump", "Shows all settings"))
        .after_help("Each command has --help and --watch. Exit codes: 0 shown, 1 refused or not found, 2 usage.")
}

fn rules(example: &'static str) -> CommandLine {
    CommandLine {
        shared: Some(go_micro::SHARED),
        example,
    }
}

/// Parses the name of a `ConfigMap`, which is a DNS subdomain.
fn name(text: &str) -> Result<String, &'static str> {
    let name = text.trim();
    if names::is_subdomain(name) {
        Ok(name.to_owned())
    } else {
        Err("expected the name of a ConfigMap: 1 to 253 of a-z, 0-9, - and .")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn request(line: &str, variables: &[(&str, &str)]) -> Result<Request, Error> {
        let argv = line.split(' ').map(OsString::from).collect();
        read(argv, |name| {
            let found = variables.iter().find(|(known, _)| *known == name);
            found.map(|(_, value)| value.into())
        })
    }

    #[test]
    fn get_takes_a_path_and_dump_takes_none() {
        let get = request("health get mongodb host", &[]).unwrap();
        assert_eq!(get.path, ["mongodb", "host"]);
        assert_eq!((get.watch, get.output), (false, Output::Text));
        assert_eq!(get.config_map, "micro");
        assert_eq!(get.cluster.registry_namespace.as_deref(), Some("default"));

        let dump =
            "health dump -o json --watch -config-namespace shop --env_prefix A --env_prefix B";
        let dump = request(dump, &[("MICRO_HEALTH_CONFIG_MAP", "settings")]).unwrap();
        assert!(dump.path.is_empty() && dump.watch);
        assert_eq!(dump.output, Output::Json);
        assert_eq!(dump.config_map, "settings");
        assert_eq!(dump.prefixes, ["A", "B"]);
        assert_eq!(dump.cluster.registry_namespace.as_deref(), Some("shop"));
    }

    #[test]
    fn an_invalid_command_line_is_a_usage_error() {
        for (line, expected) in [
            ("health", 2),
            ("health set", 2),
            ("health get", 2),
            ("health dump mongodb", 2),
            ("health dump --config_map=A/b", 2),
            ("health dump --config_namespace=a.b", 2),
            ("health --help", 0),
            ("health help", 0),
            ("health help get", 0),
            ("health get --help", 0),
            ("health dump --help", 0),
        ] {
            let error = request(line, &[]).unwrap_err();
            assert_eq!(error.exit_code(), expected, "{line}: {error}");
        }
    }
}
