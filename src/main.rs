//! Parse, log, run, exit code.

use std::env;
use std::process::ExitCode;

use anyhow::Context as _;
use micro_health::app::{App, Ended};
use micro_health::args::{self, Understood};
use micro_health::signals;
use tokio::runtime;

fn main() -> ExitCode {
    let understood = match args::read(env::args_os(), |name| env::var_os(name)) {
        Ok(understood) => understood,
        Err(error) => {
            let _ = error.print();
            return ExitCode::from(u8::try_from(error.exit_code()).unwrap_or(2));
        }
    };
    understood.args.log.init();
    match run(understood) {
        Ok(Ended::Stopped) => ExitCode::SUCCESS,
        Ok(Ended::GaveUp(code)) => ExitCode::from(code.get()),
        Err(error) => {
            tracing::error!("{error:#}");
            ExitCode::FAILURE
        }
    }
}

fn run(understood: Understood) -> anyhow::Result<Ended> {
    understood.notices.iter().for_each(args::Notice::log);
    let mut runtime = runtime::Builder::new_current_thread();
    let runtime = runtime.enable_all().build().context("cannot start")?;
    let ended =
        runtime.block_on(async { App::bind(understood).await?.run(signals::listen()?).await });
    // A resolver that hangs must not hold up the exit.
    runtime.shutdown_background();
    ended
}
