//! On which container a probe stands. Pure.
//!
//! | a probe on  | that asks                |                                                        |
//! |-------------|--------------------------|--------------------------------------------------------|
//! | the sidecar | for the service's health | wrong: the sidecar would be restarted, not the service |
//! | a service   | the sidecar itself       | wrong: a service that hangs would never be restarted   |
//! | either      | a port by its name       | wrong: a name is found in its own container alone      |

use std::path::Path;

use k8s_openapi::api::core::v1::{Container, PodSpec, Probe};
use k8s_openapi::apimachinery::pkg::util::intstr::IntOrString;

use super::overlay::containers;

/// The sidecar's container, and where it answers probes.
#[derive(Clone, Copy, Debug)]
pub struct Sidecar<'a> {
    pub name: &'a str,
    pub port: u16,
}

/// What a probe asks.
#[derive(Debug, Eq, PartialEq)]
enum Asks {
    /// For the health of the service, from the sidecar or by a process of ours.
    Service,
    /// Whether the sidecar is alive.
    Sidecar,
    /// Something that is not ours.
    Else,
}

/// What is wrong with the probes of a pod.
pub fn misplaced(spec: &PodSpec, sidecar: Option<Sidecar<'_>>) -> Vec<String> {
    let mut wrong = Vec::new();
    for container in containers(spec) {
        let is_sidecar = sidecar.is_some_and(|it| it.name == container.name);
        for (kind, probe) in probes(container) {
            let fault = match (is_sidecar, asks(probe, sidecar)) {
                (true, Asks::Service) => Some("asks for the service's health"),
                (false, Asks::Sidecar) => Some("asks the sidecar for itself"),
                _ => None,
            };
            let named = by_name(probe).then_some("has a port by name");
            let faults = [fault, named].into_iter().flatten();
            wrong.extend(faults.map(|fault| format!("{} {kind} {fault}", container.name)));
        }
    }
    wrong
}

/// The kinds of probes on a service's container that ask for its health.
pub fn carried(spec: &PodSpec, sidecar: Option<Sidecar<'_>>) -> Vec<&'static str> {
    let services = containers(spec).filter(|it| sidecar.is_none_or(|known| known.name != it.name));
    services
        .flat_map(probes)
        .filter(|(_, probe)| asks(probe, sidecar) == Asks::Service)
        .map(|(kind, _)| kind)
        .collect()
}

/// The probes of a container.
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
    // `health probe` asks the service itself.
    probe.exec.is_none() && asks(probe, Some(sidecar)) != Asks::Else
}

/// Decides whether a probe fails for a sidecar that hangs, and for nothing else.
pub fn judges_the_sidecar(probe: &Probe, sidecar: Sidecar<'_>) -> bool {
    asks(probe, Some(sidecar)) == Asks::Sidecar
}

fn asks(probe: &Probe, sidecar: Option<Sidecar<'_>>) -> Asks {
    // A name may be any port.
    let is_ours = |port: &IntOrString| match (port, sidecar) {
        (_, None) => false,
        (IntOrString::Int(port), Some(sidecar)) => *port == i32::from(sidecar.port),
        (IntOrString::String(_), Some(_)) => true,
    };
    if let Some(get) = &probe.http_get {
        let path = get.path.as_deref().unwrap_or("/");
        let path = path.split('?').next();
        return match path {
            // Wherever it is asked: no service of go-micro has it.
            Some("/livez") => Asks::Sidecar,
            _ if is_ours(&get.port) => Asks::Service,
            _ => Asks::Else,
        };
    }
    if let Some(grpc) = &probe.grpc {
        let ours = is_ours(&IntOrString::Int(grpc.port));
        return if ours { Asks::Service } else { Asks::Else };
    }
    if let Some(tcp) = &probe.tcp_socket {
        let ours = is_ours(&tcp.port);
        return if ours { Asks::Sidecar } else { Asks::Else };
    }
    let exec = probe.exec.as_ref();
    let command = exec.and_then(|exec| exec.command.as_deref()?.first());
    match command.and_then(|program| Path::new(program).file_name()?.to_str()) {
        Some("health" | "probe" | "grpc_health_probe") => Asks::Service,
        _ => Asks::Else,
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

    let health = "asks for the service's health";
    let itself = "asks the sidecar for itself";
    let by_name = "has a port by name";
    // A probe, and what is wrong with it on the sidecar, and on a service.
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
        // What is the service's own is its own affair.
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
