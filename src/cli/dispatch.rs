//! The dispatcher: from argv to the exit code of the process.

use std::ffi::OsString;
use std::process::ExitCode;

use super::console::Console;
use super::environment::Environment;
use super::exit::{REFUSED, USAGE};
#[cfg(feature = "kubernetes")]
use super::invocation::Command;
use super::invocation::{self, Invocation};
use super::probe;
use crate::app;
use crate::text::with_causes;

/// Runs the command or the sidecar that argv selects, and returns the exit code.
pub fn run(
    argv: Vec<OsString>,
    environment: Environment<'_>,
    console: &mut Console<'_>,
) -> ExitCode {
    match invocation::parse(argv) {
        Invocation::Sidecar(argv) => sidecar(argv, environment),
        Invocation::Probe(tool, argv) => {
            probe::run(tool, argv, environment.variable, console).into()
        }
        #[cfg(feature = "kubernetes")]
        Invocation::Command(command, argv) => {
            self::command(command, argv, environment, console).into()
        }
        #[cfg(not(feature = "kubernetes"))]
        Invocation::Command(command, _) => match command {},
    }
}

fn sidecar(argv: Vec<OsString>, environment: Environment<'_>) -> ExitCode {
    let configuration = match app::args::read(argv, environment.variable) {
        Ok(configuration) => configuration,
        Err(error) => {
            let _ = error.print();
            return ExitCode::from(u8::try_from(error.exit_code()).unwrap_or(USAGE));
        }
    };
    configuration.args.log.init();
    match app::run(configuration) {
        Ok(ended) => ended.exit_code(),
        Err(error) => {
            tracing::error!("{}", with_causes(error.as_ref()));
            REFUSED.into()
        }
    }
}

#[cfg(feature = "kubernetes")]
fn command(
    command: Command,
    argv: Vec<OsString>,
    environment: Environment<'_>,
    console: &mut Console<'_>,
) -> u8 {
    let Environment { variable, .. } = environment;
    match command {
        #[cfg(feature = "commands")]
        Command::Config => super::config::run(argv, environment, console),
        Command::Registry => super::registry::run(argv, variable, console),
        #[cfg(feature = "commands")]
        Command::Resolve => super::resolve::run(argv, variable, console),
        #[cfg(feature = "commands")]
        Command::Services => super::services::run(argv, variable, console),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cli::exit::{PROBE_USAGE, Tool};

    #[test]
    fn an_empty_command_line_is_a_usage_error_of_every_tool() {
        for tool in [Tool::Health, Tool::Micro, Tool::GrpcHealth] {
            let (mut out, mut err) = (Vec::new(), Vec::new());
            let mut console = Console {
                out: &mut out,
                err: &mut err,
            };
            let code = probe::run(tool, Vec::new(), &|_| None, &mut console);
            assert_eq!((code, out.len()), (PROBE_USAGE, 0), "{tool:?}");
            assert!(!err.is_empty(), "{tool:?}");
        }
    }

    #[cfg(feature = "commands")]
    #[test]
    fn an_empty_command_line_makes_no_command_panic() {
        let run = |of: Command, argv: Vec<OsString>, variables: &[(OsString, OsString)]| {
            let (mut out, mut err) = (Vec::new(), Vec::new());
            let mut console = Console {
                out: &mut out,
                err: &mut err,
            };
            let environment = Environment {
                variable: &|name| {
                    let found = variables.iter().find(|(known, _)| known == name);
                    found.map(|(_, value)| value.clone())
                },
                all: &|| variables.to_vec(),
            };
            let code = command(of, argv, environment, &mut console);
            assert!(!err.is_empty(), "{of:?}");
            code
        };
        for of in [Command::Config, Command::Registry, Command::Resolve] {
            for argv in [Vec::new(), vec![OsString::new()]] {
                assert_eq!(run(of, argv, &[]), USAGE, "{of:?}");
            }
        }
        // `services` requires no argument, so it fails because there is no API server.
        let folder = tempfile::tempdir().unwrap();
        let kubeconfig = folder.path().join("none");
        let variables = [("KUBECONFIG".into(), kubeconfig.into_os_string())];
        let code = run(Command::Services, Vec::new(), &variables);
        assert!(code > 0, "{code}");
    }
}
