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
pub(super) struct SettingsDetector<S> {
    stream: S,
    /// The number of bytes of the first frame that have arrived.
    received: usize,
    stage: watch::Sender<Stage>,
}

/// The position of the type in a frame's head, and the type of SETTINGS.
const SETTINGS: (usize, u8) = (3, 4);

// === impl SettingsDetector ===

impl<S> SettingsDetector<S> {
    pub(super) fn new(stream: S, stage: watch::Sender<Stage>) -> Self {
        stage.send_replace(Stage::AwaitingSettings);
        Self {
            stream,
            received: 0,
            stage,
        }
    }

    fn inspect(&mut self, bytes: &[u8]) {
        let (at, settings) = SETTINGS;
        if self.received > at || bytes.is_empty() {
            return;
        }
        if bytes.get(at - self.received) == Some(&settings) {
            self.stage.send_replace(Stage::Waiting);
        }
        self.received += bytes.len();
    }
}

impl<S: AsyncRead + Unpin> AsyncRead for SettingsDetector<S> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let before = buf.filled().len();
        ready!(Pin::new(&mut self.stream).poll_read(cx, buf))?;
        self.inspect(&buf.filled()[before..]);
        Poll::Ready(Ok(()))
    }
}

impl<S: AsyncWrite + Unpin> AsyncWrite for SettingsDetector<S> {
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
            (&[][..], Stage::AwaitingSettings),
            (&[&b"\0\0\0\x04\0\0\0\0\0"[..]], Stage::Waiting),
            (&[&b"\0"[..], &b"\0\0"[..], &b"\x04\0"[..]], Stage::Waiting),
            (&[&b"\0\0\0"[..]], Stage::AwaitingSettings),
            (
                &[&b"HTTP/1.1 400 Bad Request\r\n"[..]],
                Stage::AwaitingSettings,
            ),
            (
                &[&b"\0\0\0\x07"[..], &b"\0\0\0\x04"[..]],
                Stage::AwaitingSettings,
            ),
        ] {
            let stage = watch::Sender::new(Stage::Connecting);
            let mut detector = SettingsDetector::new((), stage.clone());
            for bytes in pieces {
                detector.inspect(bytes);
            }
            assert_eq!(*stage.borrow(), expected, "{pieces:?}");
        }
    }
}
