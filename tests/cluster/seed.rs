//! The manifest that the original published, which has the probe on the sidecar.

use serde_json::{Value, json};
use tokio::time::Instant;

use crate::rig::{PodState, Scene, classic, greeter, row};

#[tokio::test]
async fn the_original_manifest_restarts_the_sidecar_and_leaves_the_greeter_hung() {
    let scene = Scene::beside_others("seed").await;
    // Its two containers are unchanged but for the images and the greeter's variables.
    // securityContext and volumes are what this namespace requires, and have no effect on the
    // result.
    let mut manifest = classic(greeter("v1.8.0-grpc"));
    let sidecar = &mut manifest["spec"]["containers"][1];
    sidecar["args"] = Value::Null;
    sidecar["command"] = json!([
        "/health",
        "--health_address=0.0.0.0:8081",
        "--server_name=greeter",
        "--server_address=0.0.0.0:8080",
    ]);
    sidecar["livenessProbe"] = json!({
        "httpGet": { "path": "/health", "port": 8081 },
        "initialDelaySeconds": 3,
        "periodSeconds": 3,
    });
    let service = &mut manifest["spec"]["containers"][0];
    for field in ["startupProbe", "livenessProbe", "readinessProbe"] {
        service[field] = Value::Null;
    }
    service["command"] = json!([
        "/greeter",
        "--server_address=0.0.0.0:8080",
        "--broker_address=0.0.0.0:10001"
    ]);

    let pod = scene.ready_pod("greeter", manifest).await;
    let service = pod.process("greeter").await;
    let hung = Instant::now();
    service.hang();
    let once = |state: &PodState| state.restarts("health") > 0;
    pod.until("restarted in the wrong place", once).await;
    let took = hung.elapsed();
    pod.event(
        "Unhealthy",
        "health",
        "Liveness probe failed: HTTP probe failed with statuscode: 500",
    )
    .await;
    let state = pod
        .until("restarted twice there", |state| {
            state.restarts("health") > 1
        })
        .await;
    assert_eq!(state.restarts("greeter"), 0, "{state}");
    assert_eq!(pod.process("greeter").await, service);
    let note = format!(
        "health again after {:.1} s; the greeter hangs on",
        hung.elapsed().as_secs_f64()
    );
    row(
        "greeter hangs, the original manifest",
        Some(took),
        &state,
        &note,
    );
    service.go_on();
    scene.close().await;
}
