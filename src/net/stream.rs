//! A connection to the service over TCP or a unix socket, with or without TLS.
//!
//! It also keeps errors that h2 would lose. A service refuses a client certificate after the
//! handshake of TLS 1.3, as an error of the first read. A service that speaks TLS answers plain
//! bytes with an alert.

use std::fmt;
use std::io::{self, IoSlice};
use std::pin::Pin;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, OnceLock};
use std::task::{Context, Poll};

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

use crate::text::Excerpt;

/// A transport below [`Stream`].
pub(crate) trait Io: AsyncRead + AsyncWrite + Send + Unpin {}

impl<T: AsyncRead + AsyncWrite + Send + Unpin> Io for T {}

/// An open connection.
pub(crate) struct Stream {
    io: Box<dyn Io>,
    /// Explains an error of TLS; `None` on a connection without TLS.
    explain: Option<ExplainError>,
    fault: TlsFault,
    /// No byte and no handshake has arrived so far.
    is_silent: bool,
    /// The error of a write, kept while the bytes that the peer sent before are read.
    write_error: Option<io::Error>,
}

/// Explains an error of TLS, and returns `None` for any other error.
pub(crate) type ExplainError = Box<dyn Fn(&io::Error) -> Option<Excerpt> + Send>;

/// The fault of TLS that was found on one stream, if any. A clone reports it after the stream has
/// been handed to h2.
#[derive(Clone, Debug, Default)]
pub(crate) struct TlsFault(Arc<FaultState>);

#[derive(Debug, Default)]
struct FaultState {
    fault: OnceLock<Excerpt>,
    /// The peer has sent bytes or has completed a handshake.
    peer_spoke: AtomicBool,
}

/// The meaning of an alert in answer to plain bytes.
pub(crate) const SPEAKS_TLS: &str = "the service speaks TLS, but --tls is not set";

/// The record type of an alert, and the major version that follows: RFC 8446, 5.1.
const ALERT: [u8; 2] = [0x15, 0x03];

// === impl Stream ===

impl Stream {
    /// Wraps a connection without TLS.
    pub(crate) fn plain(io: Box<dyn Io>) -> Self {
        Self {
            io,
            explain: None,
            fault: TlsFault::default(),
            is_silent: true,
            write_error: None,
        }
    }

    /// Wraps a connection after its TLS handshake.
    #[cfg(feature = "tls")]
    pub(crate) fn secured(io: Box<dyn Io>, explain: ExplainError) -> Self {
        let stream = Self::plain(io);
        stream.fault.0.peer_spoke.store(true, Ordering::Relaxed);
        Self {
            explain: Some(explain),
            is_silent: false,
            ..stream
        }
    }

    /// Returns the fault of its TLS, which may also be found later.
    pub(crate) fn fault(&self) -> TlsFault {
        self.fault.clone()
    }

    /// Closes TLS, as far as that takes no waiting, because a server would log a missing close.
    /// Without TLS it only drops the connection.
    pub(crate) async fn close(mut self) {
        if self.explain.is_some() {
            std::future::poll_fn(|cx| {
                let _ = Pin::new(&mut self.io).poll_shutdown(cx);
                Poll::Ready(())
            })
            .await;
        }
    }

    /// Inspects the first bytes of a plain connection.
    fn inspect(&mut self, bytes: &[u8]) {
        if bytes.is_empty() || !std::mem::replace(&mut self.is_silent, false) {
            return;
        }
        self.fault.0.peer_spoke.store(true, Ordering::Relaxed);
        if bytes.starts_with(&ALERT) {
            self.fault.note(SPEAKS_TLS.into());
        }
    }

    fn note_error(&self, error: &io::Error) {
        if let Some(text) = self.explain.as_ref().and_then(|explain| explain(error)) {
            self.fault.note(text);
        }
    }

    /// Writes. If the peer has hung up, first reads the bytes that it sent before, because an alert
    /// can still be read while writes already fail.
    fn write<T>(
        &mut self,
        cx: &mut Context<'_>,
        write: impl FnOnce(Pin<&mut Box<dyn Io>>, &mut Context<'_>) -> Poll<io::Result<T>>,
    ) -> Poll<io::Result<T>> {
        let error = match self.write_error.take() {
            Some(error) => error,
            None => match write(Pin::new(&mut self.io), cx) {
                Poll::Ready(Err(error)) => error,
                written => return written,
            },
        };
        self.note_error(&error);
        let hung_up = matches!(
            error.kind(),
            io::ErrorKind::BrokenPipe | io::ErrorKind::ConnectionReset
        );
        let may_explain = self.explain.is_some() || self.is_silent;
        if hung_up && may_explain && self.drain(cx).is_pending() {
            self.write_error = Some(error);
            return Poll::Pending;
        }
        Poll::Ready(Err(error))
    }

    /// Reads to the end and inspects the bytes.
    fn drain(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        let mut scratch = [0; 256];
        loop {
            let mut buf = ReadBuf::new(&mut scratch);
            match std::task::ready!(Pin::new(&mut self.io).poll_read(cx, &mut buf)) {
                Ok(()) if buf.filled().is_empty() => return Poll::Ready(()),
                Ok(()) => self.inspect(buf.filled()),
                Err(error) => {
                    self.note_error(&error);
                    return Poll::Ready(());
                }
            }
        }
    }
}

impl AsyncRead for Stream {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let before = buf.filled().len();
        let read = Pin::new(&mut self.io).poll_read(cx, buf);
        match &read {
            Poll::Ready(Ok(())) if self.is_silent => self.inspect(&buf.filled()[before..]),
            Poll::Ready(Err(error)) => self.note_error(error),
            _ => {}
        }
        read
    }
}

impl AsyncWrite for Stream {
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &[u8],
    ) -> Poll<io::Result<usize>> {
        self.write(cx, |io, cx| io.poll_write(cx, buf))
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bufs: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        self.write(cx, |io, cx| io.poll_write_vectored(cx, bufs))
    }

    fn is_write_vectored(&self) -> bool {
        self.io.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.write(cx, AsyncWrite::poll_flush)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.io).poll_shutdown(cx)
    }
}

impl fmt::Debug for Stream {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Stream")
            .field("tls", &self.explain.is_some())
            .field("fault", &self.fault)
            .finish_non_exhaustive()
    }
}

// === impl TlsFault ===

impl TlsFault {
    /// Returns the fault, if one was found.
    pub(crate) fn get(&self) -> Option<Excerpt> {
        self.0.fault.get().cloned()
    }

    /// Adds a hint to the error of a connection on which the peer sent nothing. A gRPC service of
    /// go-micro that requires TLS hangs up without an answer.
    pub(crate) fn hint(&self, text: Excerpt) -> Excerpt {
        if self.0.peer_spoke.load(Ordering::Relaxed) {
            text
        } else {
            format!("{text}; does the service want --tls?").into()
        }
    }

    /// Records a fault. The first one counts, because later ones follow from it.
    fn note(&self, text: Excerpt) {
        let _ = self.0.fault.set(text);
    }
}
