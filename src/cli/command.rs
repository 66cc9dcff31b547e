//! The run of a command that asks the API server: runtime, log, signals, errors.

use std::io;

use futures_util::StreamExt as _;
use tokio::runtime;
use tracing::level_filters::LevelFilter;

use super::console::Console;
use super::exit::{DONE, REFUSED, USAGE};
use crate::app::{log, signals};
use crate::cluster::{Cluster, Unusable};

/// Runs a command on a runtime of its own until it ends, or until SIGINT or SIGTERM, and returns
/// the exit code. An error of the command is one of its output, whose reader has gone.
pub fn run<'a>(
    log_level: LevelFilter,
    connect: impl Future<Output = Result<Cluster, Unusable>>,
    console: &mut Console<'a>,
    act: impl AsyncFnOnce(Cluster, &mut Console<'a>) -> io::Result<u8>,
) -> u8 {
    let log_format = log::Format::Text;
    log::Options {
        log_format,
        log_level,
    }
    .init();
    let runtime = runtime::Builder::new_current_thread().enable_all().build();
    let runtime = match runtime {
        Ok(runtime) => runtime,
        Err(error) => {
            let _ = writeln!(console.err, "error: cannot start: {error}");
            return REFUSED;
        }
    };
    let command = async {
        match connect.await {
            Ok(cluster) => act(cluster, console).await.unwrap_or(DONE),
            Err(unusable) => {
                let _ = writeln!(console.err, "error: {unusable}");
                USAGE
            }
        }
    };
    let code = runtime.block_on(async {
        tokio::select! {
            biased;
            () = stopped() => DONE,
            code = command => code,
        }
    });
    // A resolver that hangs must not hold up the exit.
    runtime.shutdown_background();
    code
}

/// Waits for SIGINT or SIGTERM, whose default a process that is PID 1 does not have.
async fn stopped() {
    let Ok(signals) = signals::listen() else {
        return std::future::pending().await;
    };
    let _ = std::pin::pin!(signals).next().await;
}
