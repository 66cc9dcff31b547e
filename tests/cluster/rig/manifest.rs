//! Pods like those of the README: the probes on the service, the sidecar beside it.

use serde_json::{Value, json};

use super::images;

/// The greeters that have images: a generation and a wire each.
pub const CELLS: [&str; 3] = ["v1.8.0-grpc", "v2.9.1-mucp", "v5.30.0-mucp"];

/// The name of every service of the rig.
pub const NAME: &str = "go.micro.srv.greeter";

/// Returns the securityContext that the Pod Security Standard "restricted" requires.
fn restricted() -> Value {
    json!({
        "allowPrivilegeEscalation": false,
        "capabilities": { "drop": ["ALL"] },
        "readOnlyRootFilesystem": true,
    })
}

/// Returns a greeter with the README's probes, and the native sidecar that answers them. The
/// periods are the shortest; each scenario changes what it tests.
pub fn greeter(cell: &str) -> Value {
    json!({
        "metadata": { "labels": { "app": "greeter" } },
        "spec": {
            "automountServiceAccountToken": false,
            // There is no DNS, and the kubelet would log that at every sync.
            "dnsPolicy": "Default",
            "enableServiceLinks": false,
            "terminationGracePeriodSeconds": 2,
            "securityContext": {
                "runAsNonRoot": true,
                "runAsUser": 65532,
                "seccompProfile": { "type": "RuntimeDefault" },
            },
            "initContainers": [{
                "name": "health",
                "image": images::HEALTH,
                "imagePullPolicy": "Never",
                "restartPolicy": "Always",
                "args": [
                    "--health_address=0.0.0.0:8081",
                    format!("--server_name={NAME}"),
                    "--server_address=localhost:8080",
                ],
                "startupProbe": { "httpGet": { "path": "/livez", "port": 8081 }, "periodSeconds": 1, "failureThreshold": 30 },
                "livenessProbe": { "httpGet": { "path": "/livez", "port": 8081 } },
                "securityContext": restricted(),
            }],
            "containers": [{
                "name": "greeter",
                "image": images::greeter(cell),
                "imagePullPolicy": "Never",
                "env": [
                    { "name": "FIX_ADDR", "value": "0.0.0.0:8080" },
                    { "name": "FIX_MODE", "value": mode(cell) },
                    { "name": "HOME", "value": "/tmp" },
                ],
                "volumeMounts": [{ "name": "home", "mountPath": "/tmp" }],
                "startupProbe": { "httpGet": { "path": "/health", "port": 8081 }, "periodSeconds": 1, "failureThreshold": 30 },
                "livenessProbe": { "httpGet": { "path": "/health", "port": 8081 }, "periodSeconds": 1, "timeoutSeconds": 2 },
                "readinessProbe": { "httpGet": { "path": "/readyz", "port": 8081 }, "periodSeconds": 1, "failureThreshold": 1 },
                "securityContext": restricted(),
            }],
            "volumes": [{ "name": "home", "emptyDir": {} }],
        },
    })
}

/// Returns the mode of a cell: releases that do not register Debug by themselves register it by
/// hand.
fn mode(cell: &str) -> &'static str {
    if cell.starts_with("v5") {
        "register"
    } else {
        "stock"
    }
}

/// Moves the sidecar into a second container, which every version of Kubernetes supports.
pub fn classic(mut pod: Value) -> Value {
    let spec = &mut pod["spec"];
    let mut sidecar = spec["initContainers"][0].take();
    spec["initContainers"] = Value::Null;
    for field in ["restartPolicy", "startupProbe"] {
        sidecar[field] = Value::Null;
    }
    push(&mut spec["containers"], sidecar);
    pod
}

/// The account with the permissions of the published Role.
pub const ACCOUNT: &str = "greeter";

/// Lets the sidecar register the pod, with a token that only the sidecar has.
pub fn registered(mut pod: Value) -> Value {
    let spec = &mut pod["spec"];
    spec["serviceAccountName"] = json!(ACCOUNT);
    let token = json!({ "name": "token", "projected": { "sources": [
        { "serviceAccountToken": { "path": "token" } },
        { "configMap": { "name": "kube-root-ca.crt", "items": [{ "key": "ca.crt", "path": "ca.crt" }] } },
        { "downwardAPI": { "items": [{ "path": "namespace", "fieldRef": { "fieldPath": "metadata.namespace" } }] } },
    ] } });
    push(&mut spec["volumes"], token);
    let sidecar = &mut spec["initContainers"][0];
    sidecar["volumeMounts"] = json!([{
        "name": "token",
        "mountPath": "/var/run/secrets/kubernetes.io/serviceaccount",
        "readOnly": true,
    }]);
    push(&mut sidecar["args"], json!("--registry=kubernetes"));
    pod
}

/// Adds an item to a list of a manifest.
pub fn push(list: &mut Value, item: Value) {
    list.as_array_mut()
        .expect("a manifest must have the list")
        .push(item);
}
