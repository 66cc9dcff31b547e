//! A stream that yields the only thread, even if the peer never stops sending.

use std::future::Future as _;
use std::io;
use std::pin::{Pin, pin};
use std::task::{Context, Poll};

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::task::coop;

/// A connection whose reader yields after some 8 KiB.
///
/// tokio yields after 128 reads. These hold some 60,000 of the smallest HTTP/2 frames, and h2
/// handles them all before any timer runs, so a deadline would be missed.
#[derive(Debug)]
pub(crate) struct FairStream<S>(pub(crate) S);

/// The number of bytes that count as much as one read.
const COST: usize = 64;

// === impl FairStream ===

impl<S: AsyncRead + Unpin> AsyncRead for FairStream<S> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let before = buf.filled().len();
        let read = Pin::new(&mut self.0).poll_read(cx, buf)?;
        for _ in 0..(buf.filled().len() - before) / COST {
            // Without any budget left, the next read waits.
            if pin!(coop::consume_budget()).poll(cx).is_pending() {
                break;
            }
        }
        read.map(Ok)
    }
}

impl<S: AsyncWrite + Unpin> AsyncWrite for FairStream<S> {
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &[u8],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.0).poll_write(cx, buf)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bufs: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.0).poll_write_vectored(cx, bufs)
    }

    fn is_write_vectored(&self) -> bool {
        self.0.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.0).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.0).poll_shutdown(cx)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
    use tokio::net::{TcpListener, TcpStream};

    #[tokio::test]
    async fn a_reader_gives_way_long_before_128_reads() {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let mut sender = TcpStream::connect(address).await.unwrap();
        sender.write_all(&vec![0; 64 << 10]).await.unwrap();
        drop(sender);
        let (stream, _) = listener.accept().await.unwrap();
        stream.readable().await.unwrap();

        let mut fair = FairStream(stream);
        let mut turn = 0;
        tokio::task::yield_now().await;
        while coop::has_budget_remaining() {
            turn += fair.read(&mut [0; 1 << 10]).await.unwrap();
        }

        assert!((4 << 10..=9 << 10).contains(&turn), "{turn}");
    }
}
