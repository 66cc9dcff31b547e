//! A prober that sends the kubelet's requests.

use std::net::SocketAddr;
use std::time::Duration;

use anyhow::Context as _;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio::time::{Instant, timeout};

/// The kubelet's default timeoutSeconds.
const TIMEOUT: Duration = Duration::from_secs(1);

/// The result of one probe.
pub(crate) struct ProbeResult {
    pub(crate) status: u16,
    pub(crate) body: String,
    /// The reason, from a second request: the kubelet does not request it.
    pub(crate) reason: String,
    pub(crate) took: Duration,
}

/// Probes `/health` once as the kubelet does, then requests the reason in JSON.
pub(crate) async fn probe(sidecar: SocketAddr) -> anyhow::Result<ProbeResult> {
    let started = Instant::now();
    let (status, body) = get(sidecar, "/health", "*/*").await?;
    let took = started.elapsed();
    let (_, json) = get(sidecar, "/health", "application/health+json").await?;
    let json: serde_json::Value = serde_json::from_str(&json)?;
    let reason = json["output"].as_str().unwrap_or("ok").to_owned();
    Ok(ProbeResult {
        status,
        body,
        reason,
        took,
    })
}

async fn get(sidecar: SocketAddr, path: &str, accept: &str) -> anyhow::Result<(u16, String)> {
    let request = format!(
        "GET {path} HTTP/1.1\r\nHost: {sidecar}\r\nUser-Agent: kube-probe/1.36\r\nAccept: {accept}\r\nConnection: close\r\n\r\n"
    );
    let exchange = async {
        let mut stream = TcpStream::connect(sidecar).await?;
        stream.write_all(request.as_bytes()).await?;
        let mut answer = String::new();
        stream.read_to_string(&mut answer).await?;
        anyhow::Ok(answer)
    };
    let answer = timeout(TIMEOUT, exchange)
        .await
        .context("no answer within the kubelet's timeout of 1 s")??;
    let (head, body) = answer
        .split_once("\r\n\r\n")
        .context("an answer has a head")?;
    let status = head
        .split(' ')
        .nth(1)
        .context("a status line has a status")?
        .parse()?;
    Ok((status, body.to_owned()))
}
