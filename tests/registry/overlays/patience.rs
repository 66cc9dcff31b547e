//! The rule that a hanging sidecar is restarted before the kubelet blames the service for it.
//!
//! The service's probes go to the sidecar, so they fail too when the sidecar hangs. The kubelet
//! must restart the sidecar before the last failure that the service is allowed.
//!
//! ```text
//!  sidecar  hangs ── period ──▶ probe ── timeout ─▶ … probe ── timeout ─▶ SIGTERM ── grace ──▶ SIGKILL, start
//!  service  hangs ▶ probe ──────── period ────────▶ probe ──────── period ────────▶ probe: must be answered
//! ```
//!
//! The formula follows kubelet 1.36:
//!
//! - `pkg/kubelet/prober/worker.go`, `run`: one goroutine waits for a tick and then probes. A tick that comes meanwhile
//!   is kept, and the ones after it are dropped. So failed probes start a period apart, or a timeout apart where
//!   the timeout is longer. In the worst case the sidecar hangs just after a probe, a whole period before the next.
//! - The same: each probe takes one tick. So the failure number N of the service starts at least (N - 1) periods after
//!   its first. A sidecar that hangs or restarts makes that one fail if it is not back when it starts.
//! - `pkg/kubelet/kuberuntime/kuberuntime_container.go`, `killContainer`: the grace period is at least 2 s, whatever
//!   the manifest says. A stopped process never heeds SIGTERM, so the kubelet waits for all of it.
//! - `pkg/kubelet/kuberuntime/kuberuntime_manager.go`, `SyncPod`: the container is started in the turn that killed it.
//!   A back-off puts the start off only when the container was restarted shortly before (`doBackOff`).

use k8s_openapi::api::core::v1::{PodSpec, Probe};

use super::overlay::containers;
use super::placement::{Sidecar, asks_the_sidecar, judges_the_sidecar, probes};

/// The time in seconds that the kubelet and the runtime may take to start the sidecar again.
const RESTART: i64 = 2;

/// The shortest grace period in seconds that the kubelet gives.
const LEAST_GRACE: i64 = 2;

/// The grace period in seconds of a pod that names none.
const GRACE: i64 = 30;

/// The numbers of a probe, in seconds, with the defaults of Kubernetes.
struct Numbers {
    period: i64,
    timeout: i64,
    failures: i64,
}

/// Returns what is wrong with the numbers of a pod's probes.
pub fn impatient(spec: &PodSpec, sidecar: Option<Sidecar<'_>>) -> Vec<String> {
    let Some(sidecar) = sidecar else {
        return Vec::new();
    };
    let Some(recovery) = recovery(spec, sidecar) else {
        return vec![format!("{} has no livenessProbe of its own", sidecar.name)];
    };
    let mut wrong = Vec::new();
    for container in containers(spec).filter(|it| it.name != sidecar.name) {
        for (kind, probe) in probes(container) {
            let patience = Numbers::of(probe).patience();
            if asks_the_sidecar(probe, sidecar) && patience <= recovery {
                wrong.push(format!(
                    "{} {kind} waits {patience} s for a sidecar that is back after {recovery} s",
                    container.name
                ));
            }
        }
    }
    wrong
}

/// Returns the longest time in seconds from the moment that the sidecar hangs until it answers again.
pub fn recovery(spec: &PodSpec, sidecar: Sidecar<'_>) -> Option<i64> {
    let container = containers(spec).find(|it| it.name == sidecar.name)?;
    let probe = container.liveness_probe.as_ref();
    let probe = probe.filter(|it| judges_the_sidecar(it, sidecar))?;
    let of_the_pod = spec.termination_grace_period_seconds.unwrap_or(GRACE);
    let grace = probe.termination_grace_period_seconds.unwrap_or(of_the_pod);
    Some(Numbers::of(probe).detection() + grace.max(LEAST_GRACE) + RESTART)
}

// === impl Numbers ===

impl Numbers {
    fn of(probe: &Probe) -> Self {
        let or = |value: Option<i32>, default| match value {
            None | Some(0) => default,
            Some(value) => i64::from(value),
        };
        Self {
            period: or(probe.period_seconds, 10),
            timeout: or(probe.timeout_seconds, 1),
            failures: or(probe.failure_threshold, 3),
        }
    }

    /// The longest time from a hang to the end of the last failure.
    fn detection(&self) -> i64 {
        self.period + (self.failures - 1) * self.period.max(self.timeout) + self.timeout
    }

    /// The shortest time from a hang to the start of the last failure.
    fn patience(&self) -> i64 {
        (self.failures - 1) * self.period
    }
}

#[test]
fn the_sidecar_is_back_before_the_last_failure_of_the_service() {
    use serde_json::{Value, json};

    let numbers = |numbers: [Option<i32>; 3]| {
        let [period, timeout, failures] = numbers;
        json!({ "periodSeconds": period, "timeoutSeconds": timeout, "failureThreshold": failures })
    };
    let asks = |mut probe: Value, what: Value| {
        let all = probe.as_object_mut().unwrap();
        all.extend(what.as_object().unwrap().clone());
        probe
    };
    let get = |path: &str| json!({ "httpGet": { "path": path, "port": 8081 } });
    let exec = json!({ "exec": { "command": ["/health", "probe"] } });
    let other = json!({ "httpGet": { "path": "/health", "port": 8080 } });
    let sidecar = Sidecar {
        name: "health",
        port: 8081,
    };
    let all = |period, timeout, failures| [Some(period), Some(timeout), Some(failures)];

    // Period, timeout and failures of the sidecar's probe, the grace periods of probe and pod, and the recovery.
    let recoveries = [
        (all(2, 2, 2), Some(1), None, 10),
        (all(2, 2, 2), Some(2), None, 10),
        (all(2, 2, 2), Some(3), None, 11),
        (all(2, 2, 2), None, Some(1), 10),
        (all(2, 2, 2), None, Some(5), 13),
        (all(2, 2, 2), Some(4), Some(5), 12),
        (all(2, 1, 2), Some(1), None, 9),
        (all(1, 2, 2), Some(1), None, 9),
        (all(1, 1, 1), Some(1), None, 6),
        (all(10, 2, 3), None, None, 64),
        ([None; 3], None, None, 63),
        (all(0, 0, 0), None, None, 63),
    ];
    // Period, timeout and failures of the service's probe, and the patience.
    let patiences = [
        (all(6, 2, 3), 12),
        (all(5, 2, 3), 10),
        (all(5, 2, 2), 5),
        (all(10, 2, 3), 20),
        (all(2, 2, 30), 58),
        (all(1, 2, 1), 0),
        (all(32, 1, 3), 64),
        ([None; 3], 20),
    ];
    for (probe, of_probe, of_pod, recovery) in recoveries {
        let mut liveness = asks(numbers(probe), get("/livez"));
        liveness["terminationGracePeriodSeconds"] = json!(of_probe);
        let health = json!({ "name": "health", "livenessProbe": liveness });
        for (probe, patience) in patiences {
            for kind in ["startupProbe", "livenessProbe", "readinessProbe"] {
                let judged = |what: &Value| {
                    let probe = asks(numbers(probe), what.clone());
                    let greeter = json!({ "name": "greeter", kind: probe });
                    let spec = json!({
                        "terminationGracePeriodSeconds": of_pod,
                        "initContainers": [&health],
                        "containers": [greeter],
                    });
                    let spec = serde_json::from_value(spec).unwrap();
                    impatient(&spec, Some(sidecar))
                };
                let fault = format!(
                    "greeter {kind} waits {patience} s for a sidecar that is back after {recovery} s"
                );
                let expected: Vec<_> = (patience <= recovery)
                    .then_some(fault)
                    .into_iter()
                    .collect();
                assert_eq!(judged(&get("/health")), expected);
                assert_eq!(judged(&json!({ "grpc": { "port": 8081 } })), expected);
                // This probe does not use the sidecar.
                assert_eq!(judged(&exec), [""; 0]);
                assert_eq!(judged(&other), [""; 0]);
            }
        }
    }
    for liveness in [Value::Null, get("/health")] {
        let health = json!({ "name": "health", "livenessProbe": liveness });
        let spec = serde_json::from_value(json!({ "containers": [health] })).unwrap();
        let faults = impatient(&spec, Some(sidecar));
        assert_eq!(faults, ["health has no livenessProbe of its own"]);
        assert_eq!(impatient(&spec, None), [""; 0]);
    }
}
