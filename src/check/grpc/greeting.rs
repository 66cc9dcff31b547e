//! Notices the peer's first frame, which must be SETTINGS in HTTP/2.
//!
//! Until SETTINGS arrive, the port is open but no HTTP/2 server has answered.

use std::io;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::sync::watch;

use crate::net::stage::Stage;

/// A stream that reports the stage it has reached.
#[derive(Debug)]
pub(super) struct Greeting<S> {
    stream: S,
    /// The number of bytes of the first frame that have arrived.
    come: usize,
    stage: watch::Sender<Stage>,
}

/// The position of the type in a frame's head, and the type of SETTINGS.
const SETTINGS: (usize, u8) = (3, 4);

// === impl Greeting ===

impl<S> Greeting<S> {
    pub(super) fn new(stream: S, stage: watch::Sender<Stage>) -> Self {
        stage.send_replace(Stage::Greeting);
        Self {
            stream,
            come: 0,
            stage,
        }
    }

    fn hear(&mut self, bytes: &[u8]) {
        let (at, settings) = SETTINGS;
        if self.come > at || bytes.is_empty() {
            return;
        }
        if bytes.get(at - self.come) == Some(&settings) {
            self.stage.send_replace(Stage::Waiting);
        }
        self.come += bytes.len();
    }
}

impl<S: AsyncRead + Unpin> AsyncRead for Greeting<S> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let before = buf.filled().len();
        ready!(Pin::new(&mut self.stream).poll_read(cx, buf))?;
        self.hear(&buf.filled()[before..]);
        Poll::Ready(Ok(()))
    }
}

impl<S: AsyncWrite + Unpin> AsyncWrite for Greeting<S> {
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &[u8],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.stream).poll_write(cx, buf)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bufs: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.stream).poll_write_vectored(cx, bufs)
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(cx)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_settings_are_a_greeting() {
        for (pieces, expected) in [
            (&[][..], Stage::Greeting),
            (&[&b"\0\0\0\x04\0\0\0\0\0"[..]], Stage::Waiting),
            (&[&b"\0"[..], &b"\0\0"[..], &b"\x04\0"[..]], Stage::Waiting),
            (&[&b"\0\0\0"[..]], Stage::Greeting),
            (&[&b"HTTP/1.1 400 Bad Request\r\n"[..]], Stage::Greeting),
            (&[&b"\0\0\0\x07"[..], &b"\0\0\0\x04"[..]], Stage::Greeting),
        ] {
            let stage = watch::Sender::new(Stage::Connecting);
            let mut greeting = Greeting::new((), stage.clone());
            for bytes in pieces {
                greeting.hear(bytes);
            }
            assert_eq!(*stage.borrow(), expected, "{pieces:?}");
        }
    }
}
