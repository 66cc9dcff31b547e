//! Faults that a real API server cannot be made to have, by script. Probes are answered
//! meanwhile, the registration is repaired afterwards, and the log has nothing of the pod.
//!
//! The tests write the times of the probes to registry-trouble.txt in cargo's folder for such
//! files (target/tmp).

use std::fmt::Write as _;
use std::sync::Mutex;

use futures_util::{StreamExt as _, stream};
use serde_json::{Value, json};
use testkit::kubelet::{Latencies, Prober};
use testkit::pod_server::{
    Answer, END_OF_WATCH, POD, PodServer, SECRET, Verb, answer, refusal, start_of_watch,
};
use testkit::process::Process;
use testkit::scripts;
use testkit::service::{Script, Service};
use tokio::time::Duration;

use crate::PROGRAM;

mod answers;
mod connections;
mod deletion;
mod watches;

/// The pause between two probes. It is long, because several of these worlds run at once.
const PAUSE: Duration = Duration::from_millis(20);

/// The number of worlds at once.
const AT_ONCE: usize = 4;

/// The rows of the table, one for each fault.
static TABLE: Mutex<Vec<String>> = Mutex::new(Vec::new());

/// A registered pod, an API server that can have faults, and a prober.
struct World {
    pod: PodServer,
    api: Service,
    sidecar: Process,
    probes: Prober,
    _service: Service,
}

// === impl World ===

impl World {
    async fn start() -> Self {
        Self::with_grace_period("3s").await
    }

    async fn with_grace_period(grace_period: &str) -> Self {
        let pod = PodServer::new();
        let (service, api) = (
            Service::start(scripts::grpc()).await,
            Service::start(pod.healthy()).await,
        );
        let flags = [
            "--protocol=grpc",
            "--registry=kubernetes",
            "--register_jitter=0",
            "--period=50ms",
            &format!("--grace_period={grace_period}"),
            "--log_level=trace",
            &format!("--pod_name={POD}"),
            &format!("--registry_address=http://{}", api.address),
        ];
        let mut sidecar = Process::start(PROGRAM, service.address, &flags).await;
        // The registration is written, confirmed and watched.
        sidecar.logged("Registered").await;
        pod.receives(1, Verb::Watch).await;
        let probes = Prober::start(sidecar.address, "/health", PAUSE);
        Self {
            pod,
            api,
            sidecar,
            probes,
            _service: service,
        }
    }

    /// Starts the fault and leaves something to repair. Every connection to the server is cut.
    fn trouble(&self, script: Script) {
        self.api.replace_script(script);
        self.pod.remove_record();
    }

    async fn is_repaired(&self) {
        self.pod.is_registered().await;
    }

    /// Makes the server healthy again.
    async fn recover(&self) {
        self.api.replace_script(self.pod.healthy());
        self.is_repaired().await;
    }

    /// Panics unless every probe was answered and no log line has the secret. Returns the log.
    async fn end(mut self, name: &str) -> Vec<Value> {
        record(name, self.probes.end(50).await);
        let log = self.sidecar.log(1).await;
        for line in &log {
            let line = line.to_string();
            assert!(
                !line.contains(SECRET) && line.len() < 2_000,
                "{name}: {line}"
            );
        }
        log
    }
}

/// Runs a few worlds at a time.
async fn each<F: Future<Output = ()>>(worlds: impl IntoIterator<Item = F>) {
    stream::iter(worlds)
        .buffer_unordered(AT_ONCE)
        .collect::<()>()
        .await;
}

/// Returns the messages of a log that begin with this text.
fn messages<'a>(log: &'a [Value], start: &str) -> Vec<&'a str> {
    let messages = log.iter().filter_map(|line| line["message"].as_str());
    messages
        .filter(|message| message.starts_with(start))
        .collect()
}

fn record(name: &str, took: Latencies) {
    let mut table = TABLE.lock().unwrap();
    table.push(format!("{name:<40} {took}"));
    table.sort();
    let text = table.iter().fold(String::new(), |mut text, row| {
        let _ = writeln!(text, "{row}");
        text
    });
    let path = concat!(env!("CARGO_TARGET_TMPDIR"), "/registry-trouble.txt");
    std::fs::write(path, text).unwrap();
}
