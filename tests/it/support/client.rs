//! An HTTP/1.1 client that shows every byte: headers, pipelines, half-close, linger.

use std::io;
use std::net::SocketAddr;
use std::time::Duration;

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio::time::Instant;

use super::within;

/// A connection to the sidecar.
#[derive(Debug)]
pub struct Connection {
    stream: TcpStream,
    unread: Vec<u8>,
}

/// One whole answer.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Answer {
    pub status: u16,
    /// The status line and the headers.
    pub head: String,
    pub body: String,
    /// From connecting, or from the request, to the last byte.
    pub took: Duration,
}

/// How a connection ended.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum End {
    Fin,
    Reset,
}

/// A GET over a connection that stays open, as curl sends it.
pub fn get(path: &str) -> String {
    format!(
        "GET {path} HTTP/1.1\r\nHost: sidecar\r\nUser-Agent: curl/8.14.1\r\nAccept: */*\r\n\r\n"
    )
}

// === impl Connection ===

impl Connection {
    pub async fn open(address: SocketAddr) -> Self {
        let stream = within("connecting to the sidecar", TcpStream::connect(address)).await;
        Self {
            stream: stream.unwrap_or_else(|error| panic!("cannot connect to {address}: {error}")),
            unread: Vec::new(),
        }
    }

    /// How `close` behaves, as the kubelet sets it; zero turns it into a reset.
    pub fn set_linger(&self, linger: Duration) {
        socket2::SockRef::from(&self.stream)
            .set_linger(Some(linger))
            .unwrap();
    }

    pub async fn send(&mut self, bytes: impl AsRef<[u8]>) {
        self.try_send(bytes).await.unwrap();
    }

    /// Sends to a sidecar that may have hung up.
    pub async fn try_send(&mut self, bytes: impl AsRef<[u8]>) -> io::Result<()> {
        within("sending", self.stream.write_all(bytes.as_ref())).await
    }

    /// Sends FIN and goes on reading.
    pub async fn half_close(&mut self) {
        within("half-closing", self.stream.shutdown())
            .await
            .unwrap();
    }

    /// The same, to a sidecar that may have hung up.
    pub async fn try_half_close(&mut self) {
        let _ = within("half-closing", self.stream.shutdown()).await;
    }

    /// Reads one answer, and leaves what follows it.
    pub async fn answer(&mut self) -> Answer {
        let head = self.head().await;
        let length = header(&head, "content-length")
            .and_then(|length| length.parse().ok())
            .unwrap_or_else(|| panic!("no Content-Length in {head:?}"));
        let body = self.body(length).await;
        Answer {
            status: status(&head),
            body,
            head,
            took: Duration::ZERO,
        }
    }

    /// The same, if the sidecar does not hang up before its first byte.
    pub async fn try_answer(&mut self) -> Option<Answer> {
        let read = within("an answer", self.stream.read_buf(&mut self.unread)).await;
        if read.is_ok_and(|read| read > 0) {
            Some(self.answer().await)
        } else {
            None
        }
    }

    /// Reads a body of that many bytes.
    pub async fn body(&mut self, length: usize) -> String {
        self.fill(|unread| unread.len() >= length).await;
        String::from_utf8(self.unread.drain(..length).collect()).unwrap()
    }

    /// Reads the head of an answer alone, as that to HEAD is.
    pub async fn head(&mut self) -> String {
        let end = |unread: &[u8]| unread.windows(4).position(|four| four == b"\r\n\r\n");
        self.fill(|unread| end(unread).is_some()).await;
        let head = self.unread.drain(..end(&self.unread).unwrap() + 4);
        String::from_utf8(head.collect()).unwrap()
    }

    /// Asks for a path and reads the answer.
    pub async fn ask(&mut self, path: &str) -> Answer {
        let started = Instant::now();
        self.send(get(path)).await;
        let answer = self.answer().await;
        Answer {
            took: started.elapsed(),
            ..answer
        }
    }

    /// Reads to the end: what was left, and how it ended.
    pub async fn end(&mut self) -> (Vec<u8>, End) {
        let mut rest = std::mem::take(&mut self.unread);
        let end = match within("the end", self.stream.read_to_end(&mut rest)).await {
            Ok(_) => End::Fin,
            Err(error) if error.kind() == io::ErrorKind::ConnectionReset => End::Reset,
            Err(error) => panic!("{error}"),
        };
        (rest, end)
    }

    async fn fill(&mut self, enough: impl Fn(&[u8]) -> bool) {
        while !enough(&self.unread) {
            let read = within("an answer", self.stream.read_buf(&mut self.unread)).await;
            let seen = || String::from_utf8_lossy(&self.unread).into_owned();
            match read {
                Ok(0) => panic!("closed in the middle of an answer: {:?}", seen()),
                Ok(_) => {}
                Err(error) => panic!("{error} in the middle of an answer: {:?}", seen()),
            }
        }
    }
}

// === impl Answer ===

impl Answer {
    /// An answer that came with the end of the connection.
    pub fn parse(bytes: Vec<u8>, took: Duration) -> Self {
        let text = String::from_utf8(bytes).unwrap();
        let (head, body) = text
            .split_once("\r\n\r\n")
            .unwrap_or_else(|| panic!("no whole answer: {text:?}"));
        let head = format!("{head}\r\n\r\n");
        Self {
            status: status(&head),
            body: body.to_owned(),
            head,
            took,
        }
    }

    pub fn header(&self, name: &str) -> Option<&str> {
        header(&self.head, name)
    }

    /// The status and the body: all that most tests look at.
    pub fn said(&self) -> (u16, &str) {
        (self.status, &self.body)
    }

    /// The enumerated reason of an `application/health+json` answer; "ok" if healthy.
    pub fn reason(&self) -> String {
        let json: serde_json::Value = serde_json::from_str(&self.body)
            .unwrap_or_else(|error| panic!("{error} in {:?}", self.body));
        json["output"].as_str().unwrap_or("ok").to_owned()
    }
}

fn header<'a>(head: &'a str, name: &str) -> Option<&'a str> {
    head.lines().find_map(|line| {
        let (known, value) = line.split_once(':')?;
        known.eq_ignore_ascii_case(name).then(|| value.trim())
    })
}

fn status(head: &str) -> u16 {
    head.split(' ')
        .nth(1)
        .and_then(|code| code.parse().ok())
        .unwrap_or_else(|| panic!("no status line in {head:?}"))
}
