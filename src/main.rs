//! Parse, log, run, exit code.

use std::env;
use std::process::ExitCode;

use anyhow::Context as _;
use micro_health::app::App;
use micro_health::args::{self, Understood};
use micro_health::signals;

#[cfg(target_env = "musl")]
#[global_allocator]
static ALLOCATOR: dlmalloc::GlobalDlmalloc = dlmalloc::GlobalDlmalloc;

fn main() -> ExitCode {
    let understood = match args::read(env::args_os(), |name| env::var_os(name)) {
        Ok(understood) => understood,
        Err(error) => {
            let _ = error.print();
            return ExitCode::from(u8::try_from(error.exit_code()).unwrap_or(2));
        }
    };
    understood.args.log.init();
    if let Err(error) = run(understood) {
        tracing::error!("{error:#}");
        return ExitCode::FAILURE;
    }
    ExitCode::SUCCESS
}

fn run(understood: Understood) -> anyhow::Result<()> {
    understood.notices.iter().for_each(args::Notice::log);
    let mut runtime = tokio::runtime::Builder::new_current_thread();
    let runtime = runtime.enable_all().build().context("cannot start")?;
    let ended =
        runtime.block_on(async { App::bind(understood).await?.run(signals::listen()?).await });
    // A resolver that hangs must not hold up the exit.
    runtime.shutdown_background();
    ended
}
