//! A connection to the service, whatever it runs over: TCP, a unix socket, TLS on either.
//!
//! It also remembers what h2 would lose: a client certificate is refused after the
//! handshake of TLS 1.3, as an error of the first read, and a service that speaks
//! TLS answers plain bytes with an alert.

use std::fmt;
use std::io::{self, IoSlice};
use std::pin::Pin;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, OnceLock};
use std::task::{Context, Poll};

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

use crate::text::Excerpt;

/// A transport below [`Stream`].
pub trait Io: AsyncRead + AsyncWrite + Send + Unpin {}

impl<T: AsyncRead + AsyncWrite + Send + Unpin> Io for T {}

/// An open connection.
pub struct Stream {
    io: Box<dyn Io>,
    /// What an error means; `None` on a connection without TLS.
    explain: Option<Explain>,
    fault: Fault,
    /// Nothing was heard so far: no byte, no handshake.
    fresh: bool,
    /// The error of a write, while the peer's last words are waited for.
    hung_up: Option<io::Error>,
}

/// Tells a fault of TLS from other errors.
pub type Explain = Box<dyn Fn(&io::Error) -> Option<Excerpt> + Send>;

/// What was found wrong with TLS on one stream; shared with whoever gives it away.
#[derive(Clone, Debug, Default)]
pub struct Fault(Arc<Seen>);

#[derive(Debug, Default)]
struct Seen {
    fault: OnceLock<Excerpt>,
    /// The peer has said something, or has shaken hands.
    heard: AtomicBool,
}

/// What an alert in answer to plain bytes means.
pub const SPEAKS_TLS: &str = "the service speaks TLS and --tls is not set";

/// The record type of an alert, and the major version that follows: RFC 8446, 5.1.
const ALERT: [u8; 2] = [0x15, 0x03];

// === impl Stream ===

impl Stream {
    /// Without TLS.
    pub fn plain(io: Box<dyn Io>) -> Self {
        Self {
            io,
            explain: None,
            fault: Fault::default(),
            fresh: true,
            hung_up: None,
        }
    }

    /// After a TLS handshake.
    pub fn secured(io: Box<dyn Io>, explain: Explain) -> Self {
        let stream = Self::plain(io);
        stream.fault.0.heard.store(true, Ordering::Relaxed);
        Self {
            explain: Some(explain),
            fresh: false,
            ..stream
        }
    }

    /// What is wrong with its TLS, now or later.
    pub fn fault(&self) -> Fault {
        self.fault.clone()
    }

    /// Says goodbye as TLS does, as far as that takes no waiting: a server would log
    /// its absence. Without TLS the end of the connection is all there is to say.
    pub async fn close(mut self) {
        if self.explain.is_some() {
            std::future::poll_fn(|cx| {
                let _ = Pin::new(&mut self.io).poll_shutdown(cx);
                Poll::Ready(())
            })
            .await;
        }
    }

    /// Looks at the first bytes of a plain connection.
    fn saw(&mut self, bytes: &[u8]) {
        if bytes.is_empty() || !std::mem::replace(&mut self.fresh, false) {
            return;
        }
        self.fault.0.heard.store(true, Ordering::Relaxed);
        if bytes.starts_with(&ALERT) {
            self.fault.note(SPEAKS_TLS.into());
        }
    }

    fn failed(&self, error: &io::Error) {
        if let Some(text) = self.explain.as_ref().and_then(|explain| explain(error)) {
            self.fault.note(text);
        }
    }

    /// Does a write, and if the peer has hung up looks for what it said before: an
    /// alert waits to be read while writes already fail.
    fn write<T>(
        &mut self,
        cx: &mut Context<'_>,
        write: impl FnOnce(Pin<&mut Box<dyn Io>>, &mut Context<'_>) -> Poll<io::Result<T>>,
    ) -> Poll<io::Result<T>> {
        let error = match self.hung_up.take() {
            Some(error) => error,
            None => match write(Pin::new(&mut self.io), cx) {
                Poll::Ready(Err(error)) => error,
                written => return written,
            },
        };
        self.failed(&error);
        let hung_up = matches!(
            error.kind(),
            io::ErrorKind::BrokenPipe | io::ErrorKind::ConnectionReset
        );
        let may_say = self.explain.is_some() || self.fresh;
        if hung_up && may_say && self.last_words(cx).is_pending() {
            self.hung_up = Some(error);
            return Poll::Pending;
        }
        Poll::Ready(Err(error))
    }

    /// Reads to the end.
    fn last_words(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        let mut scratch = [0; 256];
        loop {
            let mut buf = ReadBuf::new(&mut scratch);
            match std::task::ready!(Pin::new(&mut self.io).poll_read(cx, &mut buf)) {
                Ok(()) if buf.filled().is_empty() => return Poll::Ready(()),
                Ok(()) => self.saw(buf.filled()),
                Err(error) => {
                    self.failed(&error);
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
            Poll::Ready(Ok(())) if self.fresh => self.saw(&buf.filled()[before..]),
            Poll::Ready(Err(error)) => self.failed(error),
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

// === impl Fault ===

impl Fault {
    /// What is known to be wrong.
    pub fn get(&self) -> Option<Excerpt> {
        self.0.fault.get().cloned()
    }

    /// Adds what may be behind the end of a connection on which nothing was heard: a
    /// gRPC service of go-micro that wants TLS hangs up, and says nothing of it.
    pub fn hint(&self, text: Excerpt) -> Excerpt {
        if self.0.heard.load(Ordering::Relaxed) {
            text
        } else {
            format!("{text}; does the service want --tls?").into()
        }
    }

    /// The first finding counts: those after it follow from it.
    fn note(&self, text: Excerpt) {
        let _ = self.0.fault.set(text);
    }
}
