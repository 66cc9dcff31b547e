//! The kubelet's httpGet probe: one connection, one second, `SO_LINGER`, and an answer counts only
//! if the connection ends without a reset.

mod prober;

use std::net::SocketAddr;
use std::time::Duration;

use tokio::time::{self, Instant};

pub use self::prober::{Latencies, Prober};
use crate::PATIENCE;
use crate::client::{Answer, Connection, End};

/// The `timeoutSeconds` of a probe that does not set it: a later answer is lost.
pub const TIMEOUT: Duration = Duration::from_secs(1);

/// The kubelet's `Accept` header, which accepts anything.
pub const ANYTHING: &str = "*/*";

/// The `Accept` header of a person or a tool that also wants the reason.
pub const HEALTH_JSON: &str = "application/health+json";

/// The kubelet lingers that long when it closes (`pkg/probe/dialer_others.go`).
const LINGER: Duration = Duration::from_secs(1);

/// Probes a path.
pub async fn probe(address: SocketAddr, path: &str) -> Answer {
    get(address, path, ANYTHING, TIMEOUT).await
}

/// Returns the answer of `/health` as the kubelet sees it, and the code of its reason. Both are
/// requested at once and without the kubelet's timeout.
pub async fn explain(address: SocketAddr) -> (Answer, String) {
    let (plain, json) = tokio::join!(
        get(address, "/health", ANYTHING, PATIENCE),
        get(address, "/health", HEALTH_JSON, PATIENCE)
    );
    assert_eq!(plain.status, json.status);
    let reason = json.reason();
    (plain, reason)
}

/// Requests a path as the kubelet does, and panics if the answer comes after the timeout.
pub async fn get(address: SocketAddr, path: &str, accept: &str, timeout: Duration) -> Answer {
    let request = request(address, path, accept);
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

fn request(address: SocketAddr, path: &str, accept: &str) -> String {
    format!(
        "GET {path} HTTP/1.1\r\nHost: {address}\r\nUser-Agent: kube-probe/1.36\r\n\
         Accept: {accept}\r\nConnection: close\r\n\r\n"
    )
}
