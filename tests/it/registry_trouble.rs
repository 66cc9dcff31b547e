//! What a real API server cannot be made to do, by script: probes flow meanwhile, the registration is
//! repaired afterwards, and nothing of the pod is in the log.
//!
//! Leaves a table of how long probes took, registry-trouble.txt in cargo's folder for such files
//! (target/tmp).

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
mod watches;

/// Between two probes: several of these worlds run at once.
const PAUSE: Duration = Duration::from_millis(20);

/// Worlds at once.
const AT_ONCE: usize = 4;

/// One measured trouble each.
static TABLE: Mutex<Vec<String>> = Mutex::new(Vec::new());

/// A pod that is registered, on an API server to be troubled, and somebody who probes.
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
            "--grace_period=3s",
            "--log_level=trace",
            &format!("--pod_name={POD}"),
            &format!("--registry_address=http://{}", api.address),
        ];
        let mut sidecar = Process::start(PROGRAM, service.address, &flags).await;
        // Not only written, but known to be, and watched.
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

    /// The server misbehaves from now on, and there is something to repair. Every connection
    /// to it is cut.
    fn trouble(&self, script: Script) {
        self.api.replace_script(script);
        self.pod.remove_record();
    }

    async fn is_repaired(&self) {
        self.pod.is_registered().await;
    }

    /// The server is well again, whatever it was.
    async fn recover(&self) {
        self.api.replace_script(self.pod.healthy());
        self.is_repaired().await;
    }

    /// Panics unless every probe was answered and no log line holds the secret. Returns the log.
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

/// Runs some at a time.
async fn each<F: Future<Output = ()>>(worlds: impl IntoIterator<Item = F>) {
    stream::iter(worlds)
        .buffer_unordered(AT_ONCE)
        .collect::<()>()
        .await;
}

/// The messages of a log that begin so.
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
