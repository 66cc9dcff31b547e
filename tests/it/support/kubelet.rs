//! The kubelet's httpGet probe: one connection, one second, `SO_LINGER`, and only a
//! clean end counts.

use std::net::SocketAddr;
use std::time::Duration;

use tokio::time::{self, Instant};

use super::client::{Answer, Connection, End};

/// `timeoutSeconds` of a probe that does not set it: an answer after that is lost.
pub const TIMEOUT: Duration = Duration::from_secs(1);

/// The kubelet lingers that long when it closes (`pkg/probe/dialer_others.go`).
const LINGER: Duration = Duration::from_secs(1);

/// What the kubelet accepts, which is anything.
const ANYTHING: &str = "*/*";

/// What a person or a tool asks for to learn the reason as well.
pub const HEALTH_JSON: &str = "application/health+json";

/// Probes a path.
pub async fn probe(address: SocketAddr, path: &str) -> Answer {
    ask(address, path, ANYTHING, TIMEOUT).await
}

/// Asks for the verdict and its reason at once, without the kubelet's timeout: the
/// answer of `/health` as the kubelet sees it, and the reason's code.
pub async fn explain(address: SocketAddr) -> (Answer, String) {
    let (plain, json) = tokio::join!(
        ask(address, "/health", ANYTHING, super::PATIENCE),
        ask(address, "/health", HEALTH_JSON, super::PATIENCE)
    );
    assert_eq!(plain.status, json.status);
    let reason = json.reason();
    (plain, reason)
}

/// Probes a path within the kubelet's timeout or panics.
pub async fn ask(address: SocketAddr, path: &str, accept: &str, timeout: Duration) -> Answer {
    let request = format!(
        "GET {path} HTTP/1.1\r\nHost: {address}\r\nUser-Agent: kube-probe/1.36\r\n\
         Accept: {accept}\r\nConnection: close\r\n\r\n"
    );
    let started = Instant::now();
    let probe = async {
        let mut connection = Connection::open(address).await;
        connection.set_linger(LINGER);
        connection.send(request).await;
        connection.end().await
    };
    let (bytes, end) = time::timeout(timeout, probe)
        .await
        .unwrap_or_else(|_| panic!("GET {path}: no answer within {timeout:?}"));
    assert_eq!(
        end,
        End::Fin,
        "GET {path}: {:?}",
        String::from_utf8_lossy(&bytes)
    );
    Answer::parse(bytes, started.elapsed())
}
