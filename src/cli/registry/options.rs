//! The command lines of `health registry`.

use std::ffi::OsString;

use clap::error::Error;

use super::flags;
use super::request::Request;
use crate::app::go_micro;
use crate::flags::{CommandLine, ParsedArgs};

const MORE: &str = "\
Each command has --help. All accept --registry_address, such as http://127.0.0.1:8001
for kubectl proxy, and --registry_namespace; neither is needed in a pod.
Exit codes: 0 done, 1 refused or not found, 2 usage.";

/// Parses a command line whose first word, after the tool's name, is the command.
///
/// # Errors
///
/// Returns clap's errors, which also carry `--help` and `--version`.
pub fn read(
    mut argv: Vec<OsString>,
    variable: impl Fn(&str) -> Option<OsString>,
) -> Result<Request, Error> {
    if argv.get(1).is_some_and(|word| word == "help") && argv.len() > 2 {
        argv.remove(1);
        argv.truncate(2);
        argv.push("--help".into());
    }
    let words = argv.iter().take(2);
    let matches = overview().try_get_matches_from(words)?;
    if argv.len() > 1 {
        argv.remove(1);
    }
    match matches.subcommand_name() {
        Some("get") => read_as::<flags::Get>("health registry get greeter", argv, variable),
        Some("watch") => read_as::<flags::Watch>("health registry watch greeter", argv, variable),
        Some("register") => read_as::<flags::Register>(
            "health registry register --pod_name=greeter-0 --server_name=greeter --server_address=:9091",
            argv,
            variable,
        ),
        Some("deregister") => read_as::<flags::Deregister>(
            "health registry deregister --pod_name=greeter-0 --server_name=greeter",
            argv,
            variable,
        ),
        Some("check") => read_as::<flags::Check>("health registry check", argv, variable),
        _ => read_as::<flags::List>("health registry list", argv, variable),
    }
}

/// Returns the parser of the command's name. Each command parses its own flags, in go-micro's
/// spelling.
fn overview() -> clap::Command {
    let command = |name: &'static str, about: &'static str| {
        clap::Command::new(name)
            .about(about)
            .disable_help_flag(true)
    };
    clap::Command::new("health registry")
        .bin_name("health registry")
        .version(crate::VERSION)
        .about("Reads and writes go-micro's registry in the labels and annotations of pods")
        .subcommand_required(true)
        .subcommand(command("list", "Shows all services"))
        .subcommand(command("get", "Shows the nodes of one service"))
        .subcommand(command(
            "watch",
            "Shows each change of one service or of all",
        ))
        .subcommand(command("register", "Registers a service in a pod"))
        .subcommand(command("deregister", "Removes a service from a pod"))
        .subcommand(command(
            "check",
            "Shows the client's permissions, and the Role that is missing",
        ))
        .after_help(MORE)
}

fn read_as<A: clap::Parser + Into<Request>>(
    example: &'static str,
    argv: Vec<OsString>,
    variable: impl Fn(&str) -> Option<OsString>,
) -> Result<Request, Error> {
    let rules = CommandLine {
        shared: Some(go_micro::SHARED),
        example,
    };
    let read: ParsedArgs<A> = rules.parse(argv, variable)?;
    Ok(read.args.into())
}

#[cfg(test)]
mod tests;
