//! An HTTP client that sends the kubelet's requests.

use std::net::SocketAddr;

use testkit::within;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

/// Returns status and body of a GET.
pub async fn get(address: SocketAddr, path: &str) -> (u16, String) {
    let what = format!("GET {path} of {address}");
    let answer = within(&what, try_get(address, path)).await;
    answer.unwrap_or_else(|error| panic!("{what}: {error}"))
}

/// Returns status and body of a GET, if there is an answer.
pub async fn try_get(address: SocketAddr, path: &str) -> std::io::Result<(u16, String)> {
    let request =
        format!("GET {path} HTTP/1.1\r\nHost: pod\r\nAccept: */*\r\nConnection: close\r\n\r\n");
    answer(address, &request).await
}

/// Sends a request and returns status and body.
pub async fn answer(address: SocketAddr, request: &str) -> std::io::Result<(u16, String)> {
    let mut stream = TcpStream::connect(address).await?;
    stream.write_all(request.as_bytes()).await?;
    let mut answer = String::new();
    stream.read_to_string(&mut answer).await?;
    let (head, body) = answer.split_once("\r\n\r\n").unwrap_or_default();
    let status = head
        .split(' ')
        .nth(1)
        .and_then(|status| status.parse().ok());
    let status = status.ok_or_else(|| std::io::Error::other(format!("no HTTP: {answer:?}")))?;
    Ok((status, body.to_owned()))
}
