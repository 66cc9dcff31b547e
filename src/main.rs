//! Parse, log, run, exit code.

use std::ffi::OsString;
use std::process::ExitCode;
use std::{env, io};

use micro_health::probe::dialect::{self, Asked};
use micro_health::{app, args, probe};

#[cfg(target_env = "musl")]
#[global_allocator]
static ALLOCATOR: dlmalloc::GlobalDlmalloc = dlmalloc::GlobalDlmalloc;

fn main() -> ExitCode {
    let variable = |name: &str| env::var_os(name);
    let (out, err) = (&mut io::stdout(), &mut io::stderr());
    match dialect::asked(env::args_os().collect()) {
        Asked::Sidecar(argv) => sidecar(argv, variable),
        Asked::Probe(tool, argv) => probe::run(tool, argv, variable, out, err).into(),
        Asked::Subcommand(subcommand, argv) => subcommand
            .run(argv, &env::vars_os().collect::<Vec<_>>(), out, err)
            .into(),
    }
}

fn sidecar(argv: Vec<OsString>, variable: impl Fn(&str) -> Option<OsString>) -> ExitCode {
    let understood = match args::read(argv, variable) {
        Ok(understood) => understood,
        Err(error) => {
            let _ = error.print();
            return ExitCode::from(u8::try_from(error.exit_code()).unwrap_or(2));
        }
    };
    understood.args.log.init();
    app::run(understood).map_or_else(|error| app::could_not_run(&error), app::Ended::exit_code)
}
