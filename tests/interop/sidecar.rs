//! The real `health` binary, started with flags as in a pod spec.

use std::net::SocketAddr;
use std::process::Stdio;
use std::sync::{Arc, Mutex};

use testkit::PATIENCE;
use tokio::io::{AsyncBufReadExt as _, BufReader, Lines};
use tokio::process::{Child, ChildStderr, Command};
use tokio::task::JoinHandle;
use tokio::time::timeout;

use crate::kubelet::{self, Answer};
use crate::service::{NAME, Service};

/// A running sidecar, with its log lines since the start line.
#[derive(Debug)]
pub struct Sidecar {
    pub address: SocketAddr,
    log: Arc<Mutex<Vec<String>>>,
    _child: Child,
    reading: JoinHandle<()>,
}

// === impl Sidecar ===

impl Sidecar {
    /// Starts a sidecar beside the service.
    pub async fn start(service: &Service, flags: &[&str]) -> Self {
        Self::beside(service.address, flags).await
    }

    /// Starts a sidecar beside this target and waits for the line with the address on which it
    /// answers.
    pub async fn beside(target: SocketAddr, flags: &[&str]) -> Self {
        let mut child = Command::new(env!("CARGO_BIN_EXE_health"))
            .args(["--health_address=127.0.0.1:0", "--log_format=json"])
            .arg(format!("--server_name={NAME}"))
            .arg(format!("--server_address={target}"))
            .args(flags)
            .env_clear()
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::piped())
            .kill_on_drop(true)
            .spawn()
            .expect("cargo must have built the sidecar");
        let stderr = child.stderr.take().expect("stderr must be piped");
        let mut lines = BufReader::new(stderr).lines();
        let address = timeout(PATIENCE, bound_address(&mut lines))
            .await
            .expect("the sidecar must say where it answers");

        let log = Arc::<Mutex<Vec<String>>>::default();
        let reading = tokio::spawn(read(lines, Arc::clone(&log)));
        Self {
            address,
            log,
            _child: child,
            reading,
        }
    }

    /// Probes a path as the kubelet does.
    pub async fn probe(&self, path: &str) -> Answer {
        kubelet::get(self.address, path, kubelet::ANYTHING).await
    }

    /// Probes for the verdict with its reason.
    pub async fn explain(&self) -> Answer {
        kubelet::get(self.address, "/healthz", kubelet::HEALTH_JSON).await
    }

    /// Returns the log lines since the start line.
    pub fn log(&self) -> Vec<String> {
        self.log
            .lock()
            .expect("no reader may have panicked")
            .clone()
    }
}

impl Drop for Sidecar {
    fn drop(&mut self) {
        self.reading.abort();
    }
}

/// Reads up to the start line, which has `health_address` in its fields.
async fn bound_address(lines: &mut Lines<BufReader<ChildStderr>>) -> SocketAddr {
    let mut lines_before = Vec::new();
    while let Ok(Some(line)) = lines.next_line().await {
        let json: serde_json::Value = serde_json::from_str(&line).unwrap_or_default();
        if let Some(address) = json["fields"]["health_address"].as_str() {
            return address.parse().expect("health_address must be an address");
        }
        lines_before.push(line);
    }
    panic!("the sidecar ended without its start line: {lines_before:#?}");
}

async fn read(mut lines: Lines<BufReader<ChildStderr>>, log: Arc<Mutex<Vec<String>>>) {
    while let Ok(Some(line)) = lines.next_line().await {
        log.lock()
            .expect("no other holder may have panicked")
            .push(line);
    }
}
