//! The changes that service meshes make to a pod.
//!
//! ```text
//! Istio    kubelet ── 15020/app-health/NAME/KIND ──▶ agent ── the probe's request   ──▶ pod's address
//! Linkerd  kubelet ───────── the probe's request ──▶ proxy, which allows the probes of plain containers
//! ```
//!
//! Istio: `pkg/kube/inject/app_probe.go`. Linkerd: `policy-controller/k8s/index/src/inbound/pod.rs`.

use std::collections::{BTreeMap, BTreeSet};

use k8s_openapi::api::core::v1::{HTTPGetAction, PodSpec};
use k8s_openapi::apimachinery::pkg::util::intstr::IntOrString;
use serde_json::{Value, json};

use super::admission::{at_level, validate_pod};
use super::command_line::answering;
use super::overlay::{Overlay, containers};
use super::placement::probes;

/// The port of Istio's agent.
const AGENT: i32 = 15020;

/// The users that the proxies of Istio and Linkerd run as. Their traffic is not captured.
const PROXIES: [i64; 2] = [1337, 2102];

/// The probes of Istio's agent by its own path: port, path and seconds.
type Agent = BTreeMap<String, (i32, String, Option<i32>)>;

/// Changes every httpGet into one of the agent's, also in init containers.
fn istio(spec: &mut PodSpec) -> Agent {
    let mut agent = Agent::new();
    let init = spec.init_containers.iter_mut().flatten();
    for container in init.chain(&mut spec.containers) {
        let mut rewrite = |get: Option<&mut HTTPGetAction>, path: String, seconds| {
            let Some(get) = get else { return };
            // Istio parses a port's name as a number, and the result is 0.
            let port = match &get.port {
                IntOrString::Int(port) => *port,
                IntOrString::String(name) => name.parse().unwrap_or(0),
            };
            get.port = IntOrString::Int(AGENT);
            let port_and_path = get.path.replace(path.clone()).unwrap_or_default();
            agent.insert(path, (port, port_and_path, seconds));
        };
        for (kind, probe) in [
            ("startupz", &mut container.startup_probe),
            ("livez", &mut container.liveness_probe),
            ("readyz", &mut container.readiness_probe),
        ] {
            let path = format!("/app-health/{}/{kind}", container.name);
            if let Some(probe) = probe {
                rewrite(probe.http_get.as_mut(), path, probe.timeout_seconds);
            }
        }
        let hook = container
            .lifecycle
            .as_mut()
            .and_then(|it| it.pre_stop.as_mut());
        let path = format!("/app-lifecycle/{}/prestopz", container.name);
        rewrite(hook.and_then(|it| it.http_get.as_mut()), path, None);
    }
    agent
}

/// Returns the ports and paths that Linkerd opens for the kubelet, whatever its policy.
fn linkerd(spec: &PodSpec) -> BTreeSet<(i32, String)> {
    let probes = spec.containers.iter().flat_map(probes);
    let port_and_path = probes.filter_map(|(_, probe)| port_and_path(probe.http_get.as_ref()?));
    port_and_path.collect()
}

fn port_and_path(get: &HTTPGetAction) -> Option<(i32, String)> {
    let IntOrString::Int(port) = get.port else {
        return None;
    };
    let path = get.path.as_deref()?;
    Some((port, path.split('?').next()?.to_owned()))
}

/// Returns the init containers whose start waits for the agent, which may start only after all of
/// them.
fn waits_for_the_agent(spec: &PodSpec) -> Vec<&str> {
    let init = spec.init_containers.iter().flatten();
    let waiting = init.filter(|it| {
        let get = it
            .startup_probe
            .as_ref()
            .and_then(|it| it.http_get.as_ref());
        get.is_some_and(|get| get.port == IntOrString::Int(AGENT))
    });
    waiting.map(|it| &*it.name).collect()
}

#[tokio::test]
async fn istio_keeps_the_request_of_each_probe() {
    let overlay = Overlay::named("mesh").await;
    let mut spec = overlay.spec();
    let agent = istio(&mut spec);
    let expected = [
        ("/app-health/greeter/startupz", "/health"),
        ("/app-health/greeter/livez", "/health"),
        ("/app-health/greeter/readyz", "/readyz"),
        ("/app-health/health/livez", "/livez"),
    ];
    let port_and_path =
        |(at, asks): (&str, &str)| (at.to_owned(), (8081, asks.to_owned(), Some(2)));
    assert_eq!(agent, expected.into_iter().map(port_and_path).collect());
    assert_eq!(waits_for_the_agent(&spec), [""; 0]);

    // The server accepts the pod with the proxy in it.
    let mut pod = overlay.pod();
    pod["spec"] = serde_json::to_value(&spec).unwrap();
    let mut proxy = pod["spec"]["containers"][0].clone();
    for key in [
        "startupProbe",
        "livenessProbe",
        "readinessProbe",
        "env",
        "ports",
    ] {
        proxy.as_object_mut().unwrap().remove(key);
    }
    proxy["name"] = json!("istio-proxy");
    proxy["securityContext"]["runAsUser"] = json!(PROXIES[0]);
    pod["spec"]["containers"]
        .as_array_mut()
        .unwrap()
        .push(proxy);
    validate_pod(&pod, &at_level("restricted").await)
        .await
        .unwrap();
}

#[tokio::test]
async fn istio_rewrites_the_hook_of_a_registered_pod_too() {
    let mut spec = Overlay::named("registry").await.spec();
    let hook = istio(&mut spec).remove("/app-lifecycle/greeter/prestopz");
    assert_eq!(hook, Some((8081, "/prestop".to_owned(), None)));
}

#[tokio::test]
async fn linkerd_allows_every_request_of_the_kubelet() {
    let spec = Overlay::named("mesh").await.spec();
    let kubelet = containers(&spec).flat_map(probes);
    let kubelet: BTreeSet<_> = kubelet
        .map(|(_, probe)| port_and_path(probe.http_get.as_ref().unwrap()).unwrap())
        .collect();
    assert_eq!(kubelet.len(), 3);
    assert_eq!(linkerd(&spec), kubelet);
}

#[tokio::test]
async fn neither_mesh_mistakes_the_sidecar_for_its_proxy() {
    let overlay = Overlay::named("mesh").await;
    let spec = overlay.spec();
    let pod_user = spec.security_context.as_ref().and_then(|it| it.run_as_user);
    let users = containers(&spec).map(|it| it.security_context.as_ref()?.run_as_user);
    for user in users.chain([pod_user]).flatten() {
        assert!(!PROXIES.contains(&user), "{user}");
    }
    let metadata = &overlay.pod()["metadata"];
    assert_eq!(metadata["labels"]["sidecar.istio.io/inject"], "true");
    assert_eq!(metadata["annotations"]["linkerd.io/inject"], "enabled");
}

#[tokio::test]
async fn a_native_sidecar_would_wait_for_an_agent_that_starts_after_it() {
    let mut spec = Overlay::named("base").await.spec();
    let asked_of = linkerd(&spec);
    assert!(
        !asked_of.contains(&(8081, "/livez".to_owned())),
        "nor does Linkerd know it"
    );
    istio(&mut spec);
    assert_eq!(waits_for_the_agent(&spec), ["health"]);
}

#[test]
fn a_port_by_name_would_be_lost() {
    let get: Value = json!({ "path": "/health", "port": "health" });
    let probe = json!({ "httpGet": get });
    let ports = json!([{ "name": "health", "containerPort": 8081 }]);
    let spec =
        json!({ "containers": [{ "name": "greeter", "ports": ports, "livenessProbe": probe }] });
    let mut spec: PodSpec = serde_json::from_value(spec).unwrap();
    assert_eq!(linkerd(&spec), BTreeSet::new());
    let agent = istio(&mut spec);
    assert_eq!(agent["/app-health/greeter/livez"].0, 0);
    assert!(answering(&spec).is_none());
}
