//! The runner of commands that use the API server: runtime, log, signals, errors.

use std::io;

use futures_util::StreamExt as _;
use tokio::runtime;
use tracing::level_filters::LevelFilter;

use super::console::Console;
use super::exit::{DONE, REFUSED, USAGE};
use crate::app::{log, signals};
use crate::cluster::{Cluster, Unusable};

/// Runs a command on its own runtime until it ends or a SIGINT or SIGTERM arrives, and returns
/// the exit code. The command's own error means that its output was closed by the reader.
pub(crate) fn run<'a>(
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
    // A DNS lookup that hangs must not delay the exit.
    runtime.shutdown_background();
    code
}

/// Waits for SIGINT or SIGTERM. Process 1 has no default action for them.
async fn stopped() {
    let Ok(signals) = signals::listen() else {
        return std::future::pending().await;
    };
    let _ = std::pin::pin!(signals).next().await;
}
