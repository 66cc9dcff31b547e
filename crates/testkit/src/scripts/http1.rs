//! HTTP/1.1 servers.

use std::sync::Arc;

use tokio::io::AsyncWriteExt as _;

use super::read_request;
use crate::service::Script;

/// The JSON-RPC body of a healthy mucp service.
pub const HEALTHY_MUCP: &str = "{\"id\":\"1\",\"result\":{\"status\":\"ok\"},\"error\":null}\n";

/// Returns a healthy mucp service.
pub fn mucp() -> Script {
    http("Content-Type: application/json-rpc\r\n", HEALTHY_MUCP)
}

/// Returns a server that answers every HTTP/1.1 request with 200, these headers and this body.
pub fn http(head: &str, body: &str) -> Script {
    let length = body.len();
    answering(format!(
        "HTTP/1.1 200 OK\r\nContent-Length: {length}\r\n{head}\r\n{body}"
    ))
}

/// Returns a server that answers every HTTP/1.1 request with these bytes and keeps the connection.
pub fn answering(bytes: impl Into<Vec<u8>>) -> Script {
    let bytes: Arc<[u8]> = bytes.into().into();
    Script::new(move |mut stream| {
        let bytes = Arc::clone(&bytes);
        async move {
            while read_request(&mut stream).await.is_some() {
                let _ = stream.write_all(&bytes).await;
            }
        }
    })
}
