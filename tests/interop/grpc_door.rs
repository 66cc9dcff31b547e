//! The sidecar's `grpc.health.v1`, for clients that know nothing else: the crate
//! `grpc_health_probe`, this binary under that name, and the kubelet's `grpc` probe with its own
//! prober package.
//!
//! The tests write the results to `grpc-door.txt` beside the build.

use std::fmt::Write as _;
use std::net::SocketAddr;

use crate::one_shot::OneShot;
use crate::prober::{self, Outcome};
use crate::report;
use crate::service::{NAME, Service};
use crate::sidecar::Sidecar;

/// The answer of the sidecar.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum Answer {
    Serving,
    NotServing,
    /// No target has the name.
    Unknown,
}

use Answer::{NotServing, Serving, Unknown};

/// The mode of a service, with the answers for the server as a whole, for its name, and for an
/// unknown name.
const TABLE: [(&str, [Answer; 3]); 4] = [
    ("register", [Serving, Serving, Unknown]),
    ("error", [NotServing, NotServing, Unknown]),
    ("stock", [NotServing, NotServing, Unknown]),
    // The kubelet gets the answer before its second is over.
    ("hang", [NotServing, NotServing, Unknown]),
];

const CELLS: [&str; 2] = ["v5.30.0-grpc", "v5.30.0-mucp"];
const NAMES: [&str; 3] = ["", NAME, "nobody"];

/// The probers, and the report of their results.
struct Probers {
    crates: OneShot,
    ours: OneShot,
    report: String,
}

#[tokio::test]
async fn grpc_health_probers_get_the_verdict_of_a_go_micro_service() {
    let mut probers = Probers::new();
    for cell in CELLS {
        for (mode, answers) in TABLE {
            let service = Service::start(cell, mode).await;
            let sidecar = Sidecar::start(&service, &[]).await;
            for (name, answer) in NAMES.into_iter().zip(answers) {
                let context = format!("{cell} {mode} {name:?}");
                probers
                    .assert_answer(sidecar.address, name, answer, &context)
                    .await;
            }
        }
    }
    report::publish("grpc-door.txt", &probers.report);
}

#[tokio::test]
async fn each_target_is_checked_by_its_name() {
    let well = Service::start("v5.30.0-grpc", "register").await;
    let named = vec![("FIX_NAME", "stock".to_owned())];
    let mut other = Service::start_with("v5.30.0-mucp", "register", named).await;
    let target = format!("--target=stock={}", other.address);
    let sidecar = Sidecar::start(&well, &[&target]).await;
    let mut probers = Probers::new();
    for (name, answer) in [("", Serving), (NAME, Serving), ("stock", Serving)] {
        probers
            .assert_answer(sidecar.address, name, answer, name)
            .await;
    }
    other.stop().await;
    for (name, answer) in [("", NotServing), (NAME, Serving), ("stock", NotServing)] {
        probers
            .assert_answer(sidecar.address, name, answer, name)
            .await;
    }
}

// === impl Probers ===

impl Probers {
    fn new() -> Self {
        Self {
            crates: OneShot::the_crate(),
            ours: OneShot::ours(),
            report: String::new(),
        }
    }

    /// Asserts that all probers get this answer.
    async fn assert_answer(
        &mut self,
        sidecar: SocketAddr,
        name: &str,
        answer: Answer,
        context: &str,
    ) {
        let service = format!("--service={name}");
        let crates = [format!("--addr=http://{sidecar}"), service.clone()];
        let crates = self.crates.run(&crates).await;
        let ours = self.ours.run(&[format!("-addr={sidecar}"), service]).await;
        let kubelet = probe_as_kubelet(sidecar, name).await;

        let (code, to_the_crate, to_ours, result, message) = answer.expected();
        assert_eq!(crates.code, code, "{context}: {crates:?}");
        assert_eq!(crates.output, to_the_crate, "{context}");
        assert_eq!(ours.code, code, "{context}: {ours:?}");
        assert!(ours.output.contains(to_ours), "{context}: {ours:?}");
        assert_eq!(kubelet.error, "", "{context}");
        assert_eq!(
            (kubelet.result.as_str(), kubelet.message.as_str()),
            (result, message),
            "{context}"
        );
        let context = format!("{context:<46}");
        let result = kubelet.result;
        let _ = writeln!(self.report, "{context}{code}  {result:<8}  {message}");
    }
}

/// Probes as the kubelet. A probe that gave up is made once more, as in
/// [`crate::kubelet_prober`].
async fn probe_as_kubelet(sidecar: SocketAddr, service: &str) -> Outcome {
    let outcome = prober::grpc(sidecar, service).await;
    if outcome.timed_out() {
        return prober::grpc(sidecar, service).await;
    }
    outcome
}

// === impl Answer ===

impl Answer {
    /// Returns the exit code of both tools, the crate's output, a part of this binary's output,
    /// and the kubelet's result and message.
    fn expected(self) -> (i32, &'static str, &'static str, &'static str, &'static str) {
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
