//! Our `grpc.health.v1`, as those ask it who know nothing else: the crate `grpc_health_probe`, this binary
//! under that name, and the kubelet's `grpc` probe with its own prober package.
//!
//! What they say of each answer is left beside the build, in `grpc-door.txt`.

use std::fmt::Write as _;
use std::net::SocketAddr;

use crate::one_shot::OneShot;
use crate::prober::{self, Outcome};
use crate::report;
use crate::service::{NAME, Service};
use crate::sidecar::Sidecar;

/// What the sidecar answers.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum Answer {
    Serving,
    NotServing,
    /// A name that no target has.
    Unknown,
}

use Answer::{NotServing, Serving, Unknown};

/// How a service behaves, and the answers for the server as a whole, for its name, and for a name
/// that nobody has.
const TABLE: [(&str, [Answer; 3]); 4] = [
    ("register", [Serving, Serving, Unknown]),
    ("error", [NotServing, NotServing, Unknown]),
    ("stock", [NotServing, NotServing, Unknown]),
    // The kubelet hears it before its second is over.
    ("hang", [NotServing, NotServing, Unknown]),
];

const CELLS: [&str; 2] = ["v5.30.0-grpc", "v5.30.0-mucp"];
const NAMES: [&str; 3] = ["", NAME, "nobody"];

/// Everyone who asks, and what they have said so far.
struct Askers {
    crates: OneShot,
    ours: OneShot,
    said: String,
}

#[tokio::test]
async fn those_who_speak_only_grpc_health_learn_of_a_go_micro_service() {
    let mut askers = Askers::new();
    for cell in CELLS {
        for (mode, answers) in TABLE {
            let service = Service::start(cell, mode).await;
            let sidecar = Sidecar::start(&service, &[]).await;
            for (name, answer) in NAMES.into_iter().zip(answers) {
                let context = format!("{cell} {mode} {name:?}");
                askers.hear(sidecar.address, name, answer, &context).await;
            }
        }
    }
    report::publish("grpc-door.txt", &askers.said);
}

#[tokio::test]
async fn each_target_is_asked_for_by_its_name() {
    let well = Service::start("v5.30.0-grpc", "register").await;
    let named = vec![("FIX_NAME", "stock".to_owned())];
    let mut other = Service::start_with("v5.30.0-mucp", "register", named).await;
    let target = format!("--target=stock={}", other.address);
    let sidecar = Sidecar::start(&well, &[&target]).await;
    let mut askers = Askers::new();
    for (name, answer) in [("", Serving), (NAME, Serving), ("stock", Serving)] {
        askers.hear(sidecar.address, name, answer, name).await;
    }
    other.stop().await;
    for (name, answer) in [("", NotServing), (NAME, Serving), ("stock", NotServing)] {
        askers.hear(sidecar.address, name, answer, name).await;
    }
}

// === impl Askers ===

impl Askers {
    fn new() -> Self {
        Self {
            crates: OneShot::the_crate(),
            ours: OneShot::ours(),
            said: String::new(),
        }
    }

    /// Asserts that everyone learns this answer.
    async fn hear(&mut self, sidecar: SocketAddr, name: &str, answer: Answer, context: &str) {
        let service = format!("--service={name}");
        let crates = [format!("--addr=http://{sidecar}"), service.clone()];
        let crates = self.crates.run(&crates).await;
        let ours = self.ours.run(&[format!("-addr={sidecar}"), service]).await;
        let kubelet = ask_as_kubelet(sidecar, name).await;

        let (code, to_the_crate, to_ours, result, message) = answer.heard();
        assert_eq!(crates.code, code, "{context}: {crates:?}");
        assert_eq!(crates.said, to_the_crate, "{context}");
        assert_eq!(ours.code, code, "{context}: {ours:?}");
        assert!(ours.said.contains(to_ours), "{context}: {ours:?}");
        assert_eq!(kubelet.error, "", "{context}");
        assert_eq!(
            (kubelet.result.as_str(), kubelet.message.as_str()),
            (result, message),
            "{context}"
        );
        let context = format!("{context:<46}");
        let result = kubelet.result;
        let _ = writeln!(self.said, "{context}{code}  {result:<8}  {message}");
    }
}

/// A probe that gave up is made once more, as in [`crate::kubelet_prober`].
async fn ask_as_kubelet(sidecar: SocketAddr, service: &str) -> Outcome {
    let outcome = prober::grpc(sidecar, service).await;
    if outcome.gave_up() {
        return prober::grpc(sidecar, service).await;
    }
    outcome
}

// === impl Answer ===

impl Answer {
    /// The exit code of both tools, what the crate says, part of what ours says, and the kubelet's
    /// result and message.
    fn heard(self) -> (i32, &'static str, &'static str, &'static str, &'static str) {
        match self {
            Serving => (
                0,
                "status: Serving",
                "status: SERVING",
                "success",
                "service healthy",
            ),
            NotServing => (
                4,
                "service unhealthy (responded with NotServing)",
                "service unhealthy (responded with \"NOT_SERVING\")",
                "failure",
                "service unhealthy (responded with \"NOT_SERVING\")",
            ),
            Unknown => (
                3,
                "error: health rpc failed: unknown service",
                "error: health rpc failed",
                "failure",
                "error: health rpc probe failed: rpc error: code = NotFound desc = unknown service",
            ),
        }
    }
}
