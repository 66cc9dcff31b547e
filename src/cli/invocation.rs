//! The tool or command that argv selects.
//!
//! | `argv[0]`, `argv[1]`                     | tool                                        |
//! |------------------------------------------|---------------------------------------------|
//! | `health probe`                           | ours                                        |
//! | `probe`                                  | the exec probe of micro/kubernetes          |
//! | `grpc_health_probe`, `grpc-health-probe` | grpc-ecosystem's, for grpc.health.v1 alone  |
//! | `health config` and others               | the command of that name: [`Command`]    |
//! | anything else                            | the sidecar                                 |

use std::ffi::{OsStr, OsString};
use std::path::Path;

use super::exit::Tool;

/// The part of the program that a command line is for, with the argv that it reads.
#[derive(Debug, Eq, PartialEq)]
pub enum Invocation {
    /// The sidecar, which answers probes.
    Sidecar(Vec<OsString>),
    /// A one-shot check.
    Probe(Tool, Vec<OsString>),
    /// A command that uses the API server.
    Command(Command, Vec<OsString>),
}

/// A command that uses the API server. A build without the feature `kubernetes` has none.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Command {
    /// `health config`.
    #[cfg(feature = "commands")]
    Config,
    /// `health registry`.
    #[cfg(feature = "kubernetes")]
    Registry,
    /// `health resolve`.
    #[cfg(feature = "commands")]
    Resolve,
    /// `health services`.
    #[cfg(feature = "commands")]
    Services,
}

/// Selects the tool by name only, so that a one-shot check does not parse the sidecar's flags.
pub fn parse(mut argv: Vec<OsString>) -> Invocation {
    let name = argv.first().map(Path::new).and_then(Path::file_name);
    match name.and_then(OsStr::to_str) {
        Some("probe") => return Invocation::Probe(Tool::Micro, argv),
        Some("grpc_health_probe" | "grpc-health-probe") => {
            return Invocation::Probe(Tool::GrpcHealth, argv);
        }
        _ => {}
    }
    let word = |at: usize| argv.get(at).and_then(|word| word.to_str());
    let is_help = word(1) == Some("help");
    let name = word(if is_help { 2 } else { 1 });
    if is_help && name.is_none() {
        argv.splice(1..2, ["--help".into()]);
        return Invocation::Sidecar(argv);
    }
    let tool = (name == Some("probe")).then_some(Tool::Health);
    let command = name.and_then(Command::named);
    if tool.is_some() || command.is_some() {
        argv.remove(1);
    }
    if is_help && (tool.is_some() || command.is_some()) {
        argv.remove(1);
        argv.push("--help".into());
    }
    match (tool, command) {
        (Some(tool), _) => Invocation::Probe(tool, argv),
        (_, Some(command)) => Invocation::Command(command, argv),
        _ => Invocation::Sidecar(argv),
    }
}

// === impl Command ===

impl Command {
    /// Returns the command of this name.
    pub fn named(name: &str) -> Option<Self> {
        match name {
            #[cfg(feature = "commands")]
            "config" => Some(Self::Config),
            #[cfg(feature = "kubernetes")]
            "registry" => Some(Self::Registry),
            #[cfg(feature = "commands")]
            "resolve" => Some(Self::Resolve),
            #[cfg(feature = "commands")]
            "services" => Some(Self::Services),
            _ => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn argv(text: &str) -> Vec<OsString> {
        text.split(' ').map(OsString::from).collect()
    }

    #[test]
    fn the_name_selects_the_tool() {
        let probe = |tool, text| Invocation::Probe(tool, argv(text));
        for (text, expected) in [
            ("health", Invocation::Sidecar(argv("health"))),
            ("/health -v", Invocation::Sidecar(argv("/health -v"))),
            (
                "health --server_name probe",
                Invocation::Sidecar(argv("health --server_name probe")),
            ),
            ("health help", Invocation::Sidecar(argv("health --help"))),
            (
                "health help me",
                Invocation::Sidecar(argv("health help me")),
            ),
            ("health help probe", probe(Tool::Health, "health --help")),
            ("health probe -v", probe(Tool::Health, "health -v")),
            ("/probe -v", probe(Tool::Micro, "/probe -v")),
            (
                "./bin/grpc_health_probe -v",
                probe(Tool::GrpcHealth, "./bin/grpc_health_probe -v"),
            ),
            (
                "grpc-health-probe probe",
                probe(Tool::GrpcHealth, "grpc-health-probe probe"),
            ),
            (
                "grpc_health_proxy",
                Invocation::Sidecar(argv("grpc_health_proxy")),
            ),
            ("", Invocation::Sidecar(argv(""))),
        ] {
            assert_eq!(parse(argv(text)), expected, "{text}");
        }
        assert_eq!(parse(Vec::new()), Invocation::Sidecar(Vec::new()));
    }

    #[cfg(feature = "commands")]
    #[test]
    fn the_second_word_selects_the_command() {
        use Command::{Config, Registry, Resolve};
        for (text, command, expected) in [
            ("health registry", Registry, "health"),
            (
                "health registry list -o json",
                Registry,
                "health list -o json",
            ),
            ("health help registry", Registry, "health --help"),
            ("health help registry list", Registry, "health list --help"),
            ("health config get a", Config, "health get a"),
            (
                "health resolve greeter -o json",
                Resolve,
                "health greeter -o json",
            ),
        ] {
            assert_eq!(
                parse(argv(text)),
                Invocation::Command(command, argv(expected)),
                "{text}"
            );
        }
        let flag = argv("health --server_name registry");
        assert_eq!(parse(flag.clone()), Invocation::Sidecar(flag));
    }
}
