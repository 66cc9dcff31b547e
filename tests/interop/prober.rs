//! The kubelet's own prober packages, as the command that tests/rig/kubelet/prober makes of them.

use std::net::SocketAddr;
use std::process::Stdio;

use serde::Deserialize;
use testkit::PATIENCE;
use testkit::rig::program;
use tokio::process::Command;
use tokio::time::timeout;

/// `timeoutSeconds` of a probe that does not set it.
const TIMEOUT: &str = "1s";

/// What the kubelet makes of one probe.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq)]
pub struct Outcome {
    /// success, warning, failure or unknown.
    pub result: String,
    /// What the event of a failed probe says, and so `kubectl describe pod`.
    pub message: String,
    /// Set if the probe could not be made; the kubelet then tries again, three times in all.
    pub error: String,
    pub millis: u64,
    /// Made after one that gave up.
    #[serde(skip)]
    pub second: bool,
}

/// Probes as `httpGet` with a path and nothing else.
pub async fn http_get(address: SocketAddr, path: &str) -> Outcome {
    probe(&["http", &format!("http://{address}{path}"), TIMEOUT]).await
}

/// Probes as `grpc` with this `service`; "" is what a probe asks for that does not set it.
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

/// The kubelet's sentence; the number behind it is all that it passes on.
const FAILED: &str = "HTTP probe failed with statuscode: ";

// === impl Outcome ===

impl Outcome {
    /// Whether the kubelet was answered with this status.
    pub fn is_status(&self, status: u16) -> bool {
        self.error.is_empty()
            && match status {
                200 => self.result == "success",
                _ => self.result == "failure" && self.message == format!("{FAILED}{status}"),
            }
    }

    /// Whether the kubelet lost patience before the answer came, and with it the answer.
    pub fn gave_up(&self) -> bool {
        self.message.contains("Client.Timeout exceeded")
            || self.message.contains("did not complete within")
    }

    /// For a table: "ok", the status, or else all that is known; with a star at the second try.
    pub fn brief(&self) -> String {
        let star = if self.second { "*" } else { "" };
        match self.message.strip_prefix(FAILED) {
            _ if self.result == "success" => format!("ok{star}"),
            Some(status) => format!("{status}{star}"),
            None => format!("{self:?}"),
        }
    }
}
