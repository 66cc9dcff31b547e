//! What the commands that ask the API server have in common: exit codes, runtime, end.

use std::future::Future;
use std::io::{self, Write};

use futures_util::StreamExt as _;
use tokio::runtime;
use tracing::level_filters::LevelFilter;

use crate::{log, signals};

/// The exit code of everything that went as it was asked, `--help` included.
pub const DONE: u8 = 0;

/// The exit code of what was refused or not found.
pub const REFUSED: u8 = 1;

/// The exit code of a command line or an environment that cannot be used.
pub const USAGE: u8 = 2;

/// Prints clap's refusal, or the help that was asked for, and returns the exit code.
pub fn refuse(refusal: &clap::Error, out: &mut dyn Write, err: &mut dyn Write) -> u8 {
    let is_refusal = refusal.use_stderr();
    let to: &mut dyn Write = if is_refusal { err } else { out };
    let _ = write!(to, "{}", refusal.render());
    if is_refusal { USAGE } else { DONE }
}

/// Runs a command until it ends or is told to by [`until_stopped`]. Returns the exit code.
///
/// # Errors
///
/// The system's, which has no runtime for us.
pub fn run(command: impl Future<Output = u8>) -> io::Result<u8> {
    // What kube's watcher warns of, the command tells in its own words.
    block_on(LevelFilter::ERROR, async {
        tokio::select! {
            biased;
            () = until_stopped() => DONE,
            code = command => code,
        }
    })
}

/// Runs a command on a runtime of its own, with a log of this level, and returns the exit
/// code.
///
/// # Errors
///
/// The system's, which has no runtime for us.
pub fn block_on(log_level: LevelFilter, command: impl Future<Output = u8>) -> io::Result<u8> {
    let log_format = log::Format::Text;
    log::Options {
        log_format,
        log_level,
    }
    .init();
    let runtime = runtime::Builder::new_current_thread()
        .enable_all()
        .build()?;
    let code = runtime.block_on(command);
    // A resolver that hangs must not hold up the exit.
    runtime.shutdown_background();
    Ok(code)
}

/// Ctrl-C and SIGTERM, whose default a process that is PID 1 does not have.
pub async fn until_stopped() {
    let Ok(signals) = signals::listen() else {
        return std::future::pending().await;
    };
    let _ = std::pin::pin!(signals).next().await;
}
