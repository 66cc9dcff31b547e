//! Pods as the API server has them.

use serde_json::{Value, json};

use super::NAMESPACE;

/// Returns a running and ready pod at a resource version.
pub fn pod(name: &str, version: &str, annotations: &Value) -> Value {
    json!({
        "kind": "Pod",
        "apiVersion": "v1",
        "metadata": {
            "name": name,
            "namespace": NAMESPACE,
            "uid": format!("uid-{name}"),
            "resourceVersion": version,
            "creationTimestamp": "2026-11-21T03:20:00Z",
            "labels": {"micro.mu/type": "service", "micro.mu/selector-greeter": "service"},
            "annotations": annotations,
        },
        "status": {
            "phase": "Running",
            "podIP": "10.0.0.1",
            "conditions": [{"type": "Ready", "status": "True"}],
        },
    })
}

/// Returns a running and ready pod that is not in the registry.
pub fn unregistered_pod() -> Value {
    json!({
        "kind": "Pod",
        "apiVersion": "v1",
        "metadata": {"name": "g-0", "namespace": NAMESPACE, "uid": "uid-g-0", "labels": {"app": "g"}},
        "status": {
            "phase": "Running",
            "podIP": "10.0.0.7",
            "conditions": [{"type": "Ready", "status": "True"}],
        },
    })
}

/// Returns a pod that has the record of a node of the service greeter.
pub fn greeter_pod(name: &str, version: &str, address: &str) -> Value {
    let record = json!({
        "name": "greeter",
        "version": "latest",
        "nodes": [{"id": format!("greeter-{name}"), "address": address}],
    });
    pod(
        name,
        version,
        &json!({"micro.mu/service-greeter": record.to_string()}),
    )
}
