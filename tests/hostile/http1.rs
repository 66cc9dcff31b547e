//! Clients of HTTP/1.1.

use std::time::Duration;

use testkit::client::get;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

use crate::attack::{Client, drain};

/// The interval between two bytes of a slow client.
const DRIP: Duration = Duration::from_millis(100);

/// The number of requests in one write of a pipeline.
const PIPELINE: usize = 50;

pub fn slow_head() -> Client {
    Client::dripping(
        "GET /health HTTP/1.1\r\n",
        b"X-Filler: aaaaaaaaaaaaaaaaaaaaaaaaaaa\r\n",
        DRIP,
    )
}

pub fn slow_body() -> Client {
    Client::dripping(post("/livez", "Content-Length: 100000"), b"a", DRIP)
}

/// Sends a chunked body without an end, as fast as the sidecar reads it.
pub fn endless_chunks(path: &str) -> Client {
    let chunk = format!("400\r\n{}\r\n", "a".repeat(0x400));
    Client::pouring_blindly(post(path, "Transfer-Encoding: chunked"), chunk)
}

pub fn huge_body() -> Client {
    Client::pouring_blindly(
        post("/livez", "Content-Length: 1099511627776"),
        [b'a'; 4096],
    )
}

/// Requests a page again and again and reads no answer.
pub fn never_reading(path: &str) -> Client {
    Client::pouring_blindly("", get(path))
}

/// Sends requests without waiting for the answers, and reads them.
pub fn pipelining(path: &str) -> Client {
    Client::pouring("", get(path).repeat(PIPELINE))
}

/// Sends one request per connection.
pub fn one_request(path: &str) -> Client {
    let request = format!("GET {path} HTTP/1.1\r\nHost: sidecar\r\nConnection: close\r\n\r\n");
    Client::new(move |mut stream, _| {
        let request = request.clone();
        async move {
            if stream.write_all(request.as_bytes()).await.is_ok() {
                drain(&mut stream).await;
            }
        }
    })
}

/// Sends one request after the other on a connection that is kept.
pub fn kept(path: &str) -> Client {
    let request = get(path);
    Client::new(move |mut stream, _| {
        let request = request.clone();
        async move {
            let mut answer = Vec::new();
            while stream.write_all(request.as_bytes()).await.is_ok()
                && read_answer(&mut stream, &mut answer).await.is_some()
            {}
        }
    })
}

/// Reads one answer; `None` if the sidecar hangs up before its end.
async fn read_answer(stream: &mut TcpStream, answer: &mut Vec<u8>) -> Option<()> {
    answer.clear();
    loop {
        if stream.read_buf(answer).await.ok()? == 0 {
            return None;
        }
        let text = String::from_utf8_lossy(answer);
        if let Some((head, body)) = text.split_once("\r\n\r\n") {
            let length = head.lines().find_map(|line| {
                line.to_ascii_lowercase()
                    .strip_prefix("content-length: ")?
                    .parse()
                    .ok()
            });
            if body.len() >= length.unwrap_or(0) {
                return Some(());
            }
        }
    }
}

fn post(path: &str, header: &str) -> String {
    format!("POST {path} HTTP/1.1\r\nHost: sidecar\r\n{header}\r\n\r\n")
}
