//! A connection that notifies when its input has been read.
//!
//! hyper looks for a GOAWAY when there is a request to send. A stream that stays open with
//! nothing to send beside it, as the one after an endpoint's health does, would keep a
//! server that stops waiting for its end.

use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use hyper::rt::{Read, ReadBufCursor, Write};
use tokio::sync::Notify;

/// Notifies each time that everything that had arrived has been read.
pub(super) struct ReadNotifier<T> {
    io: T,
    has_read: bool,
    tell: Arc<Notify>,
}

// === impl ReadNotifier ===

impl<T> ReadNotifier<T> {
    pub(super) fn new(io: T, tell: Arc<Notify>) -> Self {
        Self {
            io,
            has_read: false,
            tell,
        }
    }
}

impl<T: Read + Unpin> Read for ReadNotifier<T> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        to: ReadBufCursor<'_>,
    ) -> Poll<io::Result<()>> {
        let read = Pin::new(&mut self.io).poll_read(cx, to);
        // A reader that asks for more has handled what it read before.
        if read.is_pending() && self.has_read {
            self.tell.notify_one();
        }
        self.has_read = read.is_ready();
        read
    }
}

impl<T: Write + Unpin> Write for ReadNotifier<T> {
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.io).poll_write(cx, bytes)
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.io).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.io).poll_shutdown(cx)
    }
}
