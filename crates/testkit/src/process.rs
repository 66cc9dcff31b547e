//! A running `health`: its log, signals, exit code, descriptors and memory.

mod signal;
mod usage;

use std::ffi::OsStr;
use std::net::SocketAddr;
use std::process::{ExitStatus, Stdio};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use serde_json::Value;
use tokio::io::{AsyncBufReadExt as _, BufReader};
use tokio::process::{Child, Command};
use tokio::sync::watch;

pub use self::signal::{only_child, signal};
use crate::client::{Answer, Connection};
use crate::{NAME, PATIENCE, kubelet, within};

/// The lines of a log so far.
type Log = Arc<Mutex<Vec<Value>>>;

/// A running `health`. It is killed with this value.
#[derive(Debug)]
pub struct Process {
    /// The address on which it answers.
    pub address: SocketAddr,
    child: Child,
    log: Log,
    lines: watch::Receiver<usize>,
}

/// Returns a command without variables and without stdin, whose process is killed with the test.
pub fn command(program: impl AsRef<OsStr>) -> Command {
    let mut command = Command::new(program);
    command
        .env_clear()
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .kill_on_drop(true);
    command
}

// === impl Process ===

impl Process {
    /// Starts a program, which must be `health`, beside the service at `target`.
    pub async fn start(program: impl AsRef<OsStr>, target: SocketAddr, flags: &[&str]) -> Self {
        let mut command = command(program);
        command
            .args(["--health_address=127.0.0.1:0", "--log_format=json"])
            .args([
                format!("--server_name={NAME}"),
                format!("--server_address={target}"),
            ])
            .args(flags);
        Self::spawn(command).await
    }

    /// Starts a command, which must log JSON, and waits for its start line.
    pub async fn spawn(mut command: Command) -> Self {
        let mut child = command.spawn().expect("the command must be installed");
        let stderr = child.stderr.take().expect("stderr must be piped");
        let log = Log::default();
        let (count, mut lines) = watch::channel(0);
        let kept = Arc::clone(&log);
        tokio::spawn(async move {
            let mut lines = BufReader::new(stderr).lines();
            while let Ok(Some(line)) = lines.next_line().await {
                let line = serde_json::from_str(&line).unwrap_or(Value::String(line));
                lock(&kept).push(line);
                count.send_modify(|count| *count += 1);
            }
        });
        let started = within("the start line", async {
            loop {
                let address = lock(&log).iter().find_map(bound_address);
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

    /// Returns the process id.
    pub fn pid(&self) -> u32 {
        self.child.id().expect("the sidecar must be running")
    }

    /// Probes a path as the kubelet does.
    pub async fn probe(&self, path: &str) -> Answer {
        kubelet::probe(self.address, path).await
    }

    /// Opens a connection to it.
    pub async fn connect(&self) -> Connection {
        Connection::open(self.address).await
    }

    /// Sends it a signal by name.
    pub async fn signal(&self, name: &str) {
        signal(self.pid(), name).await;
    }

    /// Waits for its exit.
    pub async fn exit(&mut self) -> ExitStatus {
        let status = within("the sidecar to exit", self.child.wait()).await;
        status.expect("a child of the test must be waitable")
    }

    /// Waits for this number of log lines, and returns the fields of all.
    pub async fn log(&mut self, count: usize) -> Vec<Value> {
        self.log_until(|log| log.len() >= count).await
    }

    /// Waits for a log line with this message, and returns the fields of all.
    pub async fn logged(&mut self, message: &str) -> Vec<Value> {
        self.log_until(|log| log.iter().any(|line| line["message"] == message))
            .await
    }

    async fn log_until(&mut self, enough: impl Fn(&[Value]) -> bool) -> Vec<Value> {
        let log = Arc::clone(&self.log);
        let fields = || -> Vec<Value> {
            let log = lock(&log);
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
}

fn bound_address(line: &Value) -> Option<SocketAddr> {
    line["fields"]["health_address"].as_str()?.parse().ok()
}

fn lock(log: &Log) -> MutexGuard<'_, Vec<Value>> {
    log.lock().unwrap_or_else(PoisonError::into_inner)
}
