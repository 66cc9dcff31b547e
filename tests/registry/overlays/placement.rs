//! The placement of probes on containers.
//!
//! | a probe on  | that checks              |                                                        |
//! |-------------|--------------------------|--------------------------------------------------------|
//! | the sidecar | the service's health     | wrong: the sidecar would be restarted, not the service |
//! | a service   | the sidecar itself       | wrong: a service that hangs would never be restarted   |
//! | either      | a port by its name       | wrong: a name is found in its own container alone      |

use std::path::Path;

use k8s_openapi::api::core::v1::{Container, PodSpec, Probe};
use k8s_openapi::apimachinery::pkg::util::intstr::IntOrString;

use super::overlay::containers;

/// The sidecar's container, and the port on which it answers probes.
#[derive(Clone, Copy, Debug)]
pub struct Sidecar<'a> {
    pub name: &'a str,
    pub port: u16,
}

/// The subject of a probe.
#[derive(Debug, Eq, PartialEq)]
enum Subject {
    /// The probe checks the service's health, by the sidecar or by a process of this binary.
    Service,
    /// The probe checks whether the sidecar is alive.
    Sidecar,
    /// The probe belongs to another program.
    Else,
}

/// Returns the errors of a pod's probes.
pub fn misplaced(spec: &PodSpec, sidecar: Option<Sidecar<'_>>) -> Vec<String> {
    let mut wrong = Vec::new();
    for container in containers(spec) {
        let is_sidecar = sidecar.is_some_and(|it| it.name == container.name);
        for (kind, probe) in probes(container) {
            let fault = match (is_sidecar, subject(probe, sidecar)) {
                (true, Subject::Service) => Some("checks the service's health"),
                (false, Subject::Sidecar) => Some("checks the sidecar itself"),
                _ => None,
            };
            let named = by_name(probe).then_some("has a port by name");
            let faults = [fault, named].into_iter().flatten();
            wrong.extend(faults.map(|fault| format!("{} {kind} {fault}", container.name)));
        }
    }
    wrong
}

/// Returns the kinds of probes on a service's container that check its health.
pub fn carried(spec: &PodSpec, sidecar: Option<Sidecar<'_>>) -> Vec<&'static str> {
    let services = containers(spec).filter(|it| sidecar.is_none_or(|known| known.name != it.name));
    services
        .flat_map(probes)
        .filter(|(_, probe)| subject(probe, sidecar) == Subject::Service)
        .map(|(kind, _)| kind)
        .collect()
}

/// Returns the probes of a container.
pub fn probes(container: &Container) -> impl Iterator<Item = (&'static str, &Probe)> {
    let probes = [
        ("startupProbe", &container.startup_probe),
        ("livenessProbe", &container.liveness_probe),
        ("readinessProbe", &container.readiness_probe),
    ];
    probes
        .into_iter()
        .filter_map(|(kind, probe)| Some((kind, probe.as_ref()?)))
}

/// Decides whether a probe has its answer from the sidecar, and so fails when the sidecar hangs.
pub fn asks_the_sidecar(probe: &Probe, sidecar: Sidecar<'_>) -> bool {
    // `health probe` checks the service itself.
    probe.exec.is_none() && subject(probe, Some(sidecar)) != Subject::Else
}

/// Decides whether a probe fails for a sidecar that hangs, and for nothing else.
pub fn judges_the_sidecar(probe: &Probe, sidecar: Sidecar<'_>) -> bool {
    subject(probe, Some(sidecar)) == Subject::Sidecar
}

fn subject(probe: &Probe, sidecar: Option<Sidecar<'_>>) -> Subject {
    // A port's name may stand for any port.
    let is_ours = |port: &IntOrString| match (port, sidecar) {
        (_, None) => false,
        (IntOrString::Int(port), Some(sidecar)) => *port == i32::from(sidecar.port),
        (IntOrString::String(_), Some(_)) => true,
    };
    if let Some(get) = &probe.http_get {
        let path = get.path.as_deref().unwrap_or("/");
        let path = path.split('?').next();
        return match path {
            // The path decides at any port, because no go-micro service has it.
            Some("/livez") => Subject::Sidecar,
            _ if is_ours(&get.port) => Subject::Service,
            _ => Subject::Else,
        };
    }
    if let Some(grpc) = &probe.grpc {
        let ours = is_ours(&IntOrString::Int(grpc.port));
        return if ours {
            Subject::Service
        } else {
            Subject::Else
        };
    }
    if let Some(tcp) = &probe.tcp_socket {
        let ours = is_ours(&tcp.port);
        return if ours {
            Subject::Sidecar
        } else {
            Subject::Else
        };
    }
    let exec = probe.exec.as_ref();
    let command = exec.and_then(|exec| exec.command.as_deref()?.first());
    match command.and_then(|program| Path::new(program).file_name()?.to_str()) {
        Some("health" | "probe" | "grpc_health_probe") => Subject::Service,
        _ => Subject::Else,
    }
}

fn by_name(probe: &Probe) -> bool {
    let get = probe.http_get.as_ref().map(|get| &get.port);
    let tcp = probe.tcp_socket.as_ref().map(|tcp| &tcp.port);
    matches!(get.or(tcp), Some(IntOrString::String(_)))
}

#[test]
fn a_probe_belongs_to_the_container_that_it_should_restart() {
    let get = |path: &str, port| serde_json::json!({ "httpGet": { "path": path, "port": port } });
    let grpc = |port| serde_json::json!({ "grpc": { "port": port } });
    let tcp = |port| serde_json::json!({ "tcpSocket": { "port": port } });
    let exec = |program: &str| serde_json::json!({ "exec": { "command": [program, "probe"] } });
    let named = serde_json::json!({ "httpGet": { "path": "/health", "port": "health" } });

    let health = "checks the service's health";
    let itself = "checks the sidecar itself";
    let by_name = "has a port by name";
    // The cases are a probe, its errors on the sidecar, and its errors on a service.
    let cases: [(_, &[&str], &[&str]); 12] = [
        (get("/livez", 8081), &[], &[itself]),
        (get("/livez?verbose", 8081), &[], &[itself]),
        (get("/livez", 8080), &[], &[itself]),
        (get("/health", 8081), &[health], &[]),
        (get("/health/other", 8081), &[health], &[]),
        (get("/readyz", 8081), &[health], &[]),
        (grpc(8081), &[health], &[]),
        (exec("/health"), &[health], &[]),
        (tcp(8081), &[], &[itself]),
        (named, &[health, by_name], &[by_name]),
        // A probe of the service's own port is not judged.
        (get("/health", 8080), &[], &[]),
        (exec("/bin/true"), &[], &[]),
    ];
    let sidecar = Sidecar {
        name: "health",
        port: 8081,
    };
    for (probe, on_sidecar, on_service) in cases {
        for (name, faults) in [("health", on_sidecar), ("greeter", on_service)] {
            for kind in ["startupProbe", "livenessProbe", "readinessProbe"] {
                for group in ["containers", "initContainers"] {
                    let mut spec = serde_json::json!({ "containers": [] });
                    spec[group] = serde_json::json!([{ "name": name, kind: probe }]);
                    let spec = serde_json::from_value(spec).unwrap();
                    let expected: Vec<_> = faults
                        .iter()
                        .map(|fault| format!("{name} {kind} {fault}"))
                        .collect();
                    assert_eq!(misplaced(&spec, Some(sidecar)), expected, "{probe}");
                }
            }
        }
    }
}
