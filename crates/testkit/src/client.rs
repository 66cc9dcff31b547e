//! An HTTP/1.1 client that shows every byte: headers, pipelines, half-close, linger.

mod answer;

use std::io;
use std::net::SocketAddr;
use std::time::Duration;

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio::time::Instant;

pub use self::answer::Answer;
use crate::within;

/// A connection to the sidecar.
#[derive(Debug)]
pub struct Connection {
    stream: TcpStream,
    unread: Vec<u8>,
}

/// The end of a connection.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum End {
    /// The peer closed it.
    Fin,
    /// The peer reset it.
    Reset,
}

/// Returns a GET over a connection that stays open, as curl sends it.
pub fn get(path: &str) -> String {
    format!(
        "GET {path} HTTP/1.1\r\nHost: sidecar\r\nUser-Agent: curl/8.14.1\r\nAccept: */*\r\n\r\n"
    )
}

// === impl Connection ===

impl Connection {
    /// Connects to the sidecar.
    pub async fn open(address: SocketAddr) -> Self {
        let stream = within("connecting to the sidecar", TcpStream::connect(address)).await;
        Self {
            stream: stream.unwrap_or_else(|error| panic!("cannot connect to {address}: {error}")),
            unread: Vec::new(),
        }
    }

    /// Sets how long `close` waits for unsent bytes, as the kubelet does. Zero turns it into a reset.
    pub fn set_linger(&self, linger: Duration) {
        socket2::SockRef::from(&self.stream)
            .set_linger(Some(linger))
            .expect("a socket must take SO_LINGER");
    }

    /// Sends these bytes.
    pub async fn send(&mut self, bytes: impl AsRef<[u8]>) {
        let sent = self.try_send(bytes).await;
        sent.expect("the sidecar must not hang up");
    }

    /// Sends these bytes to a sidecar that may have hung up.
    pub async fn try_send(&mut self, bytes: impl AsRef<[u8]>) -> io::Result<()> {
        within("sending", self.stream.write_all(bytes.as_ref())).await
    }

    /// Sends FIN. The connection can still be read.
    pub async fn half_close(&mut self) {
        let closed = within("half-closing", self.stream.shutdown()).await;
        closed.expect("the sidecar must not hang up");
    }

    /// Sends FIN to a sidecar that may have hung up.
    pub async fn try_half_close(&mut self) {
        let _ = within("half-closing", self.stream.shutdown()).await;
    }

    /// Reads one answer, and leaves the bytes after it.
    pub async fn answer(&mut self) -> Answer {
        let head = self.head().await;
        let length = answer::header(&head, "content-length")
            .and_then(|length| length.parse().ok())
            .unwrap_or_else(|| panic!("no Content-Length in {head:?}"));
        let body = self.body(length).await;
        Answer::new(head, body, Duration::ZERO)
    }

    /// Reads one answer, or `None` if the sidecar hangs up before its first byte.
    pub async fn try_answer(&mut self) -> Option<Answer> {
        let read = within("an answer", self.stream.read_buf(&mut self.unread)).await;
        if read.is_ok_and(|read| read > 0) {
            Some(self.answer().await)
        } else {
            None
        }
    }

    /// Reads a body of this length.
    pub async fn body(&mut self, length: usize) -> String {
        self.fill(|unread| unread.len() >= length).await;
        String::from_utf8(self.unread.drain(..length).collect()).expect("a body must be text")
    }

    /// Reads the head of an answer alone, as that to HEAD is.
    pub async fn head(&mut self) -> String {
        self.fill(|unread| end_of_head(unread).is_some()).await;
        let end = end_of_head(&self.unread).unwrap_or_default();
        String::from_utf8(self.unread.drain(..end).collect()).expect("a head must be text")
    }

    /// Requests a path and reads the answer.
    pub async fn get(&mut self, path: &str) -> Answer {
        let started = Instant::now();
        self.send(get(path)).await;
        let answer = self.answer().await;
        Answer {
            took: started.elapsed(),
            ..answer
        }
    }

    /// Reads to the end. Returns the bytes before it, and how the connection ended.
    pub async fn end(&mut self) -> (Vec<u8>, End) {
        let mut rest = std::mem::take(&mut self.unread);
        let end = match within("the end", self.stream.read_to_end(&mut rest)).await {
            Ok(_) => End::Fin,
            Err(error) if error.kind() == io::ErrorKind::ConnectionReset => End::Reset,
            Err(error) => panic!("{error}"),
        };
        (rest, end)
    }

    async fn fill(&mut self, is_enough: impl Fn(&[u8]) -> bool) {
        while !is_enough(&self.unread) {
            let read = within("an answer", self.stream.read_buf(&mut self.unread)).await;
            let received = || String::from_utf8_lossy(&self.unread).into_owned();
            match read {
                Ok(0) => panic!("closed in the middle of an answer: {:?}", received()),
                Ok(_) => {}
                Err(error) => panic!("{error} in the middle of an answer: {:?}", received()),
            }
        }
    }
}

fn end_of_head(bytes: &[u8]) -> Option<usize> {
    let start = bytes.windows(4).position(|four| four == b"\r\n\r\n")?;
    Some(start + 4)
}
