//! SIGTERM and SIGINT as a stream of their names.

use std::io;

use futures_util::{Stream, stream};
use tokio::signal::unix::{SignalKind, signal};

/// Listens from now on: also as PID 1, whose default is to ignore both.
///
/// # Errors
///
/// Those of the system.
pub fn listen() -> io::Result<impl Stream<Item = &'static str>> {
    // The kubelet and `docker stop` send SIGTERM, a terminal's Ctrl-C SIGINT.
    let signals = (
        signal(SignalKind::terminate())?,
        signal(SignalKind::interrupt())?,
    );
    Ok(stream::unfold(
        signals,
        |(mut terminate, mut interrupt)| async move {
            let name = tokio::select! {
                _ = terminate.recv() => "SIGTERM",
                _ = interrupt.recv() => "SIGINT",
            };
            Some((name, (terminate, interrupt)))
        },
    ))
}
