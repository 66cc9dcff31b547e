//! The sidecar in a pod: the real binary, as the kubelet would start it beside a service.

use std::ffi::OsString;
use std::net::SocketAddr;
use std::process::{ExitStatus, Stdio};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use micro_health::internal::FRESH;
use serde_json::Value;
use testkit::cluster::Identity;
use testkit::{LOOK_AGAIN, PATIENCE, within};
use tokio::io::{AsyncBufReadExt as _, AsyncReadExt as _, AsyncWriteExt as _, BufReader};
use tokio::net::TcpStream;
use tokio::process::{Child, Command};
use tokio::sync::watch;
use tokio::time::{Instant, sleep, timeout};

/// A running `health`. It is killed with this value.
#[derive(Debug)]
pub struct Sidecar {
    pub address: SocketAddr,
    child: Child,
    log: Arc<Mutex<Vec<Value>>>,
    lines: watch::Receiver<usize>,
}

/// The variable that names the shipped file.
pub const SHIPPED: &str = "MICRO_HEALTH_SHIPPED";

/// The flags of the tests: fast, but slow enough to observe each step.
const FLAGS: [&str; 10] = [
    "--health_address=127.0.0.1:0",
    "--server_name=greeter",
    "--protocol=grpc",
    "--registry=kubernetes",
    "--register_jitter=0",
    "--register_interval=200ms",
    "--period=50ms",
    "--fall=2",
    "--drain=100ms",
    "--log_format=json",
];

// === impl Sidecar ===

impl Sidecar {
    /// Starts it in this pod, for the service at `target`.
    pub async fn start(identity: &Identity, target: SocketAddr, flags: &[&str]) -> Self {
        let mut command = identity.command(binary());
        command
            .args(FLAGS)
            .arg(format!("--server_address={target}"))
            .args(flags);
        Self::spawn(&mut command).await
    }

    async fn spawn(command: &mut Command) -> Self {
        let mut child = command
            .stdout(Stdio::null())
            .stderr(Stdio::piped())
            .spawn()
            .expect("the sidecar must start");
        let stderr = child.stderr.take().expect("stderr must be piped");
        let log = Arc::new(Mutex::new(Vec::new()));
        let (counting, lines) = watch::channel(0);
        let written = Arc::clone(&log);
        tokio::spawn(async move {
            let mut lines = BufReader::new(stderr).lines();
            while let Ok(Some(line)) = lines.next_line().await {
                let line = serde_json::from_str(&line).unwrap_or(Value::String(line));
                written.lock().unwrap().push(line);
                counting.send_modify(|count| *count += 1);
            }
        });
        let mut sidecar = Self {
            address: SocketAddr::from(([127, 0, 0, 1], 0)),
            child,
            log,
            lines,
        };
        let line = sidecar.logs("Answering probes").await;
        let address = line["fields"]["health_address"]
            .as_str()
            .unwrap_or_else(|| panic!("an address must be in the start line: {line}"));
        sidecar.address = address
            .parse()
            .expect("an address must be in the start line");
        sidecar
    }

    /// Waits for a line of the log whose message begins with this text.
    pub async fn logs(&self, message: &str) -> Value {
        let mut lines = self.lines.clone();
        let is_it = |line: &&Value| message_of(line).starts_with(message);
        let found = || self.log.lock().unwrap().iter().find(is_it).cloned();
        let found_line = timeout(PATIENCE, lines.wait_for(|_| found().is_some())).await;
        assert!(
            found_line.is_ok(),
            "not logged: {message:?}:\n{}",
            self.log()
        );
        found().unwrap_or_else(|| panic!("ended without {message:?}:\n{}", self.log()))
    }

    /// Returns everything that was logged so far.
    pub fn log(&self) -> String {
        let log = self.log.lock().unwrap();
        let lines: Vec<_> = log.iter().map(Value::to_string).collect();
        lines.join("\n")
    }

    /// Sends a GET as a kubelet would, and returns status, body and time.
    pub async fn get(&self, path: &str, accept: &str) -> (u16, String, Duration) {
        let started = Instant::now();
        let answer = within("an answer", async {
            let mut stream = TcpStream::connect(self.address).await.unwrap();
            let request = format!("GET {path} HTTP/1.1\r\nHost: pod\r\nUser-Agent: kube-probe/1.36\r\nAccept: {accept}\r\nConnection: close\r\n\r\n");
            stream.write_all(request.as_bytes()).await.unwrap();
            let mut answer = String::new();
            stream.read_to_string(&mut answer).await.unwrap();
            answer
        })
        .await;
        let took = started.elapsed();
        let (head, body) = answer
            .split_once("\r\n\r\n")
            .expect("an answer must have a body");
        let status = head
            .split(' ')
            .nth(1)
            .and_then(|status| status.parse().ok());
        (
            status.expect("an answer must have a status"),
            body.to_owned(),
            took,
        )
    }

    /// Returns the status of a GET.
    pub async fn probe(&self, path: &str) -> u16 {
        self.get(path, "*/*").await.0
    }

    /// Returns a page that was rendered after this call began. Each page is cached for a second.
    async fn page(&self, path: &str, accept: &str) -> String {
        let started = Instant::now();
        loop {
            let (_, body, _) = self.get(path, accept).await;
            if started.elapsed() >= FRESH {
                return body;
            }
            sleep(LOOK_AGAIN).await;
        }
    }

    /// Returns `registration` of `/statusz`.
    pub async fn registration(&self) -> Value {
        let body = self.page("/statusz", "application/json").await;
        let status: Value = serde_json::from_str(&body).expect("the page must be JSON");
        status["registration"].clone()
    }

    /// Waits until the registration has this state.
    pub async fn is(&self, state: &str) -> Value {
        let called = timeout(PATIENCE, async {
            loop {
                let registration = self.registration().await;
                if registration["state"] == state {
                    return registration;
                }
            }
        });
        if let Ok(registration) = called.await {
            return registration;
        }
        let registration = self.registration().await;
        panic!("not {state:?}: {registration}\n{}", self.log())
    }

    /// Returns a counter's value by the beginning of its line, or 0 if there is none.
    pub async fn metric(&self, line: &str) -> u64 {
        let body = self.page("/metrics", "*/*").await;
        let values = body.lines().filter(|it| it.starts_with(line));
        values
            .filter_map(|it| it.rsplit(' ').next()?.parse::<u64>().ok())
            .sum()
    }

    /// Returns the number of writes that the server has answered.
    pub async fn patches(&self) -> u64 {
        self.metric("health_sidecar_registry_patches_total{").await
    }

    /// Returns resident memory in KiB: `VmRSS` is all of it, `RssAnon` is the part that belongs
    /// to no file.
    pub fn memory(&self, kind: &str) -> u64 {
        let id = self.child.id().expect("the sidecar must be running");
        let status = std::fs::read_to_string(format!("/proc/{id}/status"));
        let status = status.expect("/proc must be mounted");
        let line = status
            .lines()
            .find_map(|line| line.strip_prefix(kind)?.strip_prefix(':'));
        let size = line.and_then(|line| line.trim().strip_suffix(" kB")?.parse().ok());
        size.unwrap_or_else(|| panic!("no {kind} in {status}"))
    }

    /// Sends SIGTERM and returns the exit status.
    pub async fn terminate(&mut self) -> ExitStatus {
        let id = self
            .child
            .id()
            .expect("the sidecar must be running")
            .to_string();
        let kill = Command::new("kill").args(["-s", "TERM", &id]).status();
        assert!(within("kill", kill).await.unwrap().success());
        within("the sidecar to end", self.child.wait())
            .await
            .unwrap()
    }
}

/// Returns the debug build, or the shipped file if the variable names it.
fn binary() -> OsString {
    std::env::var_os(SHIPPED).unwrap_or_else(|| env!("CARGO_BIN_EXE_health").into())
}

fn message_of(line: &Value) -> &str {
    let fields = [&line["message"], &line["fields"]["message"], line];
    fields
        .into_iter()
        .find_map(Value::as_str)
        .unwrap_or_default()
}
