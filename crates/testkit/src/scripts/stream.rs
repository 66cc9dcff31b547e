//! The server's side of one connection.

use std::time::Duration;

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

use crate::frames;

/// Reads one HTTP/1.1 request; `None` if the peer hangs up before its end.
pub async fn read_request(stream: &mut TcpStream) -> Option<Vec<u8>> {
    let mut received = Vec::new();
    loop {
        let text = String::from_utf8_lossy(&received);
        if let Some((head, body)) = text.split_once("\r\n\r\n") {
            let length = head.lines().find_map(|line| {
                let (name, value) = line.split_once(':')?;
                name.eq_ignore_ascii_case("content-length")
                    .then(|| value.trim().parse().ok())?
            });
            if body.len() >= length.unwrap_or(0) {
                return Some(received);
            }
        }
        if stream.read_buf(&mut received).await.ok()? == 0 {
            return None;
        }
    }
}

/// Reads one request of HTTP/1.1, or one call of HTTP/2 after sending SETTINGS.
pub async fn read_either(stream: &mut TcpStream) -> Option<Vec<u8>> {
    if speaks_http2(stream).await {
        let _ = stream.write_all(&frames::settings(&[])).await;
        frames::read_call(stream).await
    } else {
        read_request(stream).await
    }
}

/// Decides whether the peer begins with HTTP/2's preface.
pub async fn speaks_http2(stream: &mut TcpStream) -> bool {
    let mut start = [0; 3];
    let _ = stream.peek(&mut start).await;
    start == *b"PRI"
}

/// Reads until the peer hangs up.
pub async fn until_closed(stream: &mut TcpStream) {
    let mut ignored = [0; 1024];
    while stream.read(&mut ignored).await.is_ok_and(|read| read > 0) {}
}

/// Closes a connection with a reset.
pub fn cut(stream: TcpStream) {
    let _ = socket2::SockRef::from(&stream).set_linger(Some(Duration::ZERO));
    drop(stream);
}
