//! Which tool this process stands for, and the exit codes of each.
//!
//! | `argv[0]`, `argv[1]`                     | tool                                        |
//! |------------------------------------------|---------------------------------------------|
//! | `health probe`                           | ours                                        |
//! | `probe`                                  | the exec probe of micro/kubernetes          |
//! | `grpc_health_probe`, `grpc-health-probe` | grpc-ecosystem's, for grpc.health.v1 alone  |
//! | `health config` and others               | a command of that name: [`Subcommand`]      |
//! | anything else                            | the sidecar                                 |

use std::ffi::{OsStr, OsString};
use std::path::Path;

use crate::subcommand::Subcommand;
use crate::target::Check;
use crate::unhealthy::Failed;

/// A one-shot checker, known by its name.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Tool {
    /// `health probe`.
    Health,
    /// `probe`, the sibling of the original sidecar.
    Micro,
    /// `grpc_health_probe`.
    GrpcHealth,
}

/// What a command line asks for, with the argv to read.
#[derive(Debug, Eq, PartialEq)]
pub enum Asked {
    /// No subcommand: answer probes.
    Sidecar(Vec<OsString>),
    /// One check.
    Probe(Tool, Vec<OsString>),
    /// Something to ask the API server.
    Subcommand(Subcommand, Vec<OsString>),
}

/// The exit code of a healthy verdict, of `--help` and of `--version`.
pub const HEALTHY: u8 = 0;

/// The exit code of a command line that is not understood.
pub const USAGE: u8 = 1;

/// Reads the names, and nothing else: a one-shot is not to pay for the sidecar's flags.
pub fn asked(mut argv: Vec<OsString>) -> Asked {
    let name = argv.first().map(Path::new).and_then(Path::file_name);
    match name.and_then(OsStr::to_str) {
        Some("probe") => return Asked::Probe(Tool::Micro, argv),
        Some("grpc_health_probe" | "grpc-health-probe") => {
            return Asked::Probe(Tool::GrpcHealth, argv);
        }
        _ => {}
    }
    let word = |at: usize| argv.get(at).and_then(|word| word.to_str());
    let is_help = word(1) == Some("help");
    let name = word(if is_help { 2 } else { 1 });
    if is_help && name.is_none() {
        argv.splice(1..2, ["--help".into()]);
        return Asked::Sidecar(argv);
    }
    let tool = (name == Some("probe")).then_some(Tool::Health);
    let subcommand = name.and_then(Subcommand::named);
    if tool.is_some() || subcommand.is_some() {
        argv.remove(1);
    }
    if is_help && (tool.is_some() || subcommand.is_some()) {
        argv.remove(1);
        argv.push("--help".into());
    }
    match (tool, subcommand) {
        (Some(tool), _) => Asked::Probe(tool, argv),
        (_, Some(subcommand)) => Asked::Subcommand(subcommand, argv),
        _ => Asked::Sidecar(argv),
    }
}

// === impl Tool ===

impl Tool {
    /// The exit code of a check.
    pub fn exit_code(self, check: &Check) -> u8 {
        match &check.verdict {
            Ok(()) => HEALTHY,
            Err(unhealthy) => self.failed(unhealthy.failed(check.reached)),
        }
    }

    /// The exit code of a failure.
    pub fn failed(self, failed: Failed) -> u8 {
        use Failed::{ToAnswer, ToBeWell, ToConnect, ToGreet};
        match (self, failed) {
            (_, ToBeWell) => 4,
            // The original knows only that the call failed; to grpc-go a connection is one
            // that has brought SETTINGS, to us one that was accepted.
            (_, ToConnect) | (Self::Micro, ToGreet | ToAnswer) | (Self::GrpcHealth, ToGreet) => 2,
            (Self::Health, ToGreet | ToAnswer) | (Self::GrpcHealth, ToAnswer) => 3,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use Failed::{ToAnswer, ToBeWell, ToConnect, ToGreet};

    fn argv(text: &str) -> Vec<OsString> {
        text.split(' ').map(OsString::from).collect()
    }

    #[test]
    fn a_name_decides_which_tool_this_is() {
        let probe = |tool, text| Asked::Probe(tool, argv(text));
        for (text, expected) in [
            ("health", Asked::Sidecar(argv("health"))),
            ("/health -v", Asked::Sidecar(argv("/health -v"))),
            (
                "health --server_name probe",
                Asked::Sidecar(argv("health --server_name probe")),
            ),
            ("health help", Asked::Sidecar(argv("health --help"))),
            ("health help me", Asked::Sidecar(argv("health help me"))),
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
                Asked::Sidecar(argv("grpc_health_proxy")),
            ),
            ("", Asked::Sidecar(argv(""))),
        ] {
            assert_eq!(asked(argv(text)), expected, "{text}");
        }
        assert_eq!(asked(Vec::new()), Asked::Sidecar(Vec::new()));
    }

    #[test]
    fn an_empty_command_line_is_usage_to_every_tool() {
        for tool in [Tool::Health, Tool::Micro, Tool::GrpcHealth] {
            let (mut out, mut err) = (Vec::new(), Vec::new());
            let code = crate::probe::run(tool, Vec::new(), |_| None, &mut out, &mut err);
            assert_eq!((code, out.len()), (USAGE, 0), "{tool:?}");
            assert!(!err.is_empty(), "{tool:?}");
        }
    }

    #[cfg(feature = "commands")]
    #[test]
    fn what_asks_the_api_server_is_a_command_of_its_own() {
        use Subcommand::{Config, Registry, Resolve};
        for (text, subcommand, expected) in [
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
                asked(argv(text)),
                Asked::Subcommand(subcommand, argv(expected)),
                "{text}"
            );
        }
        let flag = argv("health --server_name registry");
        assert_eq!(asked(flag.clone()), Asked::Sidecar(flag));
    }

    #[test]
    fn each_tool_has_its_own_codes() {
        for (tool, expected) in [
            (Tool::Health, [2, 3, 3, 4]),
            (Tool::Micro, [2, 2, 2, 4]),
            (Tool::GrpcHealth, [2, 2, 3, 4]),
        ] {
            let codes = [ToConnect, ToGreet, ToAnswer, ToBeWell].map(|failed| tool.failed(failed));
            assert_eq!(codes, expected, "{tool:?}");
        }
    }
}
