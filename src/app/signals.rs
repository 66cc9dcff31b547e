//! SIGTERM and SIGINT as a stream of their names.

use std::io;

use futures_util::{Stream, stream};
use tokio::signal::unix::{SignalKind, signal};

/// Listens for both signals. Process 1 needs this, because it ignores both by default.
///
/// # Errors
///
/// Returns the error of the system.
pub(crate) fn listen() -> io::Result<impl Stream<Item = &'static str>> {
    // The kubelet and `docker stop` send SIGTERM; Ctrl-C in a terminal sends SIGINT.
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
