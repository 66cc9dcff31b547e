//! The kubelet's `httpGet` probe: its request, and its handling of the answer.

use std::net::SocketAddr;
use std::time::Duration;

use testkit::PATIENCE;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio::time::{Instant, timeout};

/// The `timeoutSeconds` of a probe that does not set it: a later answer is lost.
pub const TIMEOUT: Duration = Duration::from_secs(1);

/// The kubelet's `Accept` header, which accepts anything.
pub const ANYTHING: &str = "*/*";

/// The `Accept` header of a person or a tool that also wants the reason.
pub const HEALTH_JSON: &str = "application/health+json";

/// An answer, and the time from connecting to the last byte.
#[derive(Debug)]
pub struct Answer {
    pub status: u16,
    pub body: String,
    pub took: Duration,
}

/// Probes over a connection of its own, as the kubelet does.
///
/// Reads until the connection ends. A reset is a failure, because it can destroy the answer on
/// its way.
pub async fn get(address: SocketAddr, path: &str, accept: &str) -> Answer {
    let request = format!(
        "GET {path} HTTP/1.1\r\nHost: {address}\r\nUser-Agent: kube-probe/1.36\r\n\
         Accept: {accept}\r\nConnection: close\r\n\r\n"
    );
    let started = Instant::now();
    let mut bytes = Vec::new();
    timeout(PATIENCE, async {
        let mut stream = TcpStream::connect(address).await?;
        stream.write_all(request.as_bytes()).await?;
        stream.read_to_end(&mut bytes).await
    })
    .await
    .unwrap_or_else(|_| panic!("GET {path} must be answered"))
    .unwrap_or_else(|error| panic!("GET {path} must be answered whole: {error}"));
    let took = started.elapsed();

    let text = String::from_utf8(bytes).expect("an answer must be text");
    let (head, body) = text
        .split_once("\r\n\r\n")
        .unwrap_or_else(|| panic!("GET {path} must be answered with a whole head, not {text:?}"));
    Answer {
        status: status(head),
        body: body.to_owned(),
        took,
    }
}

// === impl Answer ===

impl Answer {
    /// Returns the reason of an `application/health+json` answer; `None` if it is healthy.
    pub fn reason(&self) -> Option<String> {
        let json: serde_json::Value = serde_json::from_str(&self.body)
            .unwrap_or_else(|error| panic!("{error} in {:?}", self.body));
        Some(json.get("output")?.as_str()?.to_owned())
    }
}

fn status(head: &str) -> u16 {
    head.strip_prefix("HTTP/1.1 ")
        .and_then(|rest| rest.get(..3))
        .and_then(|code| code.parse().ok())
        .unwrap_or_else(|| panic!("an answer must begin with a status line, not {head:?}"))
}
