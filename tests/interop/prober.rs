//! The kubelet's own prober packages, as the program of tests/rig/kubelet/prober.

use std::net::SocketAddr;
use std::process::Stdio;

use serde::Deserialize;
use testkit::PATIENCE;
use testkit::rig::program;
use tokio::process::Command;
use tokio::time::timeout;

/// The `timeoutSeconds` of a probe that does not set it.
const TIMEOUT: &str = "1s";

/// The kubelet's view of one probe.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq)]
pub struct Outcome {
    /// The result: success, warning, failure or unknown.
    pub result: String,
    /// The message of the event of a failed probe, which `kubectl describe pod` shows.
    pub message: String,
    /// The error if the probe could not be made; the kubelet then tries again, three times in
    /// all.
    pub error: String,
    pub millis: u64,
    /// Marks a second attempt after one that timed out.
    #[serde(skip)]
    pub second: bool,
}

/// Probes as `httpGet` with a path and nothing else.
pub async fn http_get(address: SocketAddr, path: &str) -> Outcome {
    probe(&["http", &format!("http://{address}{path}"), TIMEOUT]).await
}

/// Probes as `grpc` with this `service`; a probe that does not set it has "".
pub async fn grpc(address: SocketAddr, service: &str) -> Outcome {
    let (host, port) = (address.ip().to_string(), address.port().to_string());
    probe(&["grpc", &host, &port, service, TIMEOUT]).await
}

async fn probe(args: &[&str]) -> Outcome {
    let output = Command::new(program("prober"))
        .args(args)
        .env_clear()
        .stdin(Stdio::null())
        .kill_on_drop(true)
        .output();
    let output = timeout(PATIENCE, output)
        .await
        .expect("a prober must end")
        .expect("the prober must start");
    let stdout = String::from_utf8_lossy(&output.stdout);
    serde_json::from_str(&stdout).unwrap_or_else(|error| panic!("{error}: {output:?}"))
}

/// The kubelet's sentence; only the number behind it differs.
const FAILED: &str = "HTTP probe failed with statuscode: ";

// === impl Outcome ===

impl Outcome {
    /// Returns whether the kubelet got this status.
    pub fn is_status(&self, status: u16) -> bool {
        self.error.is_empty()
            && match status {
                200 => self.result == "success",
                _ => self.result == "failure" && self.message == format!("{FAILED}{status}"),
            }
    }

    /// Returns whether the kubelet timed out before the answer came.
    pub fn timed_out(&self) -> bool {
        self.message.contains("Client.Timeout exceeded")
            || self.message.contains("did not complete within")
    }

    /// Returns a short form for a table: "ok", the status, or else everything that is known. A
    /// star marks the second attempt.
    pub fn brief(&self) -> String {
        let star = if self.second { "*" } else { "" };
        match self.message.strip_prefix(FAILED) {
            _ if self.result == "success" => format!("ok{star}"),
            Some(status) => format!("{status}{star}"),
            None => format!("{self:?}"),
        }
    }
}
