//! The real binary, where the process itself matters: exit codes, signals, the log,
//! descriptors and memory.

use std::net::SocketAddr;
use std::process::{ExitStatus, Stdio};
use std::sync::{Arc, Mutex};

use serde_json::Value;
use tokio::io::{AsyncBufReadExt as _, BufReader};
use tokio::process::{Child, Command};
use tokio::sync::watch;

use super::client::{Answer, Connection};
use super::{NAME, PATIENCE, kubelet, within};

/// A running `health`.
#[derive(Debug)]
pub struct Process {
    pub address: SocketAddr,
    child: Child,
    log: Arc<Mutex<Vec<Value>>>,
    lines: watch::Receiver<usize>,
}

/// `health` without flags or variables.
pub fn command() -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_health"));
    prepare(&mut command);
    command
}

/// No variables of ours, nothing on stdin, and killed with the test.
pub fn prepare(command: &mut Command) {
    command
        .env_clear()
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .kill_on_drop(true);
}

/// Sends a signal by name.
pub async fn signal(pid: u32, name: &str) {
    let kill = Command::new("kill")
        .args(["-s", name, &pid.to_string()])
        .status();
    let killed = within("kill", kill).await;
    assert!(killed.unwrap().success(), "cannot send {name} to {pid}");
}

/// The one child of a process.
pub fn child_of(pid: u32) -> u32 {
    only_child_of(pid).unwrap_or_else(|| panic!("{pid} has not one child"))
}

/// The same, if it has one by now.
pub fn only_child_of(pid: u32) -> Option<u32> {
    let children = std::fs::read_to_string(format!("/proc/{pid}/task/{pid}/children")).ok()?;
    children.trim().parse().ok()
}

// === impl Process ===

impl Process {
    /// Starts the sidecar for the service at `target`.
    pub async fn start(target: SocketAddr, flags: &[&str]) -> Self {
        let mut command = command();
        command
            .args(["--health_address=127.0.0.1:0", "--log_format=json"])
            .args([
                format!("--server_name={NAME}"),
                format!("--server_address={target}"),
            ])
            .args(flags);
        Self::spawn(command).await
    }

    /// Starts it by a command of the test's own, which must log JSON.
    pub async fn spawn(mut command: Command) -> Self {
        let mut child = command.spawn().expect("the command must be installed");
        let stderr = child.stderr.take().unwrap();
        let log = Arc::<Mutex<Vec<Value>>>::default();
        let (count, mut lines) = watch::channel(0);
        let kept = Arc::clone(&log);
        tokio::spawn(async move {
            let mut lines = BufReader::new(stderr).lines();
            while let Ok(Some(line)) = lines.next_line().await {
                let line = serde_json::from_str(&line).unwrap_or(Value::String(line));
                kept.lock().unwrap().push(line);
                count.send_modify(|count| *count += 1);
            }
        });
        let started = within("the start line", async {
            loop {
                let address = log.lock().unwrap().iter().find_map(bound_address);
                if address.is_some() || lines.changed().await.is_err() {
                    return address;
                }
            }
        });
        let address = started.await;
        let address = address.unwrap_or_else(|| panic!("no start line in {log:?}"));
        Self {
            address,
            child,
            log,
            lines,
        }
    }

    pub fn pid(&self) -> u32 {
        self.child.id().expect("the sidecar must be running")
    }

    /// Asks as the kubelet does.
    pub async fn probe(&self, path: &str) -> Answer {
        kubelet::probe(self.address, path).await
    }

    pub async fn connect(&self) -> Connection {
        Connection::open(self.address).await
    }

    pub async fn signal(&self, name: &str) {
        signal(self.pid(), name).await;
    }

    pub async fn exit(&mut self) -> ExitStatus {
        within("the sidecar to exit", self.child.wait())
            .await
            .unwrap()
    }

    /// The fields of all log lines, when there are at least `count`.
    pub async fn log(&mut self, count: usize) -> Vec<Value> {
        self.log_until(|log| log.len() >= count).await
    }

    /// The same, when one of them has this message.
    pub async fn logged(&mut self, message: &str) -> Vec<Value> {
        self.log_until(|log| log.iter().any(|line| line["message"] == message))
            .await
    }

    async fn log_until(&mut self, enough: impl Fn(&[Value]) -> bool) -> Vec<Value> {
        let log = Arc::clone(&self.log);
        let fields = || -> Vec<Value> {
            let log = log.lock().unwrap();
            log.iter().map(|line| line["fields"].clone()).collect()
        };
        let waited = self.lines.wait_for(|_| enough(&fields()));
        let waited = tokio::time::timeout(PATIENCE, waited).await;
        assert!(
            waited.is_ok_and(|found| found.is_ok()),
            "only {:#?}",
            fields()
        );
        fields()
    }

    /// How many descriptors it has open.
    pub fn descriptors(&self) -> usize {
        let folder = format!("/proc/{}/fd", self.pid());
        std::fs::read_dir(folder).unwrap().count()
    }

    /// Waits until it has at most that many descriptors open: each look is a probe
    /// away from the one before.
    pub async fn has_descriptors(&self, at_most: usize) {
        within("descriptors to be closed", async {
            while self.descriptors() > at_most {
                self.probe("/livez").await;
            }
        })
        .await;
    }

    /// Its resident memory in KiB.
    pub fn memory(&self) -> usize {
        let status = std::fs::read_to_string(format!("/proc/{}/status", self.pid())).unwrap();
        status
            .lines()
            .find_map(|line| line.strip_prefix("VmRSS:"))
            .and_then(|size| size.trim().strip_suffix(" kB"))
            .and_then(|size| size.parse().ok())
            .unwrap_or_else(|| panic!("no VmRSS in {status}"))
    }
}

fn bound_address(line: &Value) -> Option<SocketAddr> {
    line["fields"]["health_address"].as_str()?.parse().ok()
}
