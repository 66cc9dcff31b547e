//! Probes other than httpGet: an exec probe, the kubelet's own grpc probe, and a sidecar that
//! exits.

use serde_json::{Value, json};
use tokio::time::Instant;

use crate::rig::{NAME, PodState, Scene, greeter, row};

fn restarted(state: &PodState) -> bool {
    state.restarts("greeter") > 0 && state.is_running("greeter")
}

#[tokio::test]
async fn an_exec_probe_needs_no_sidecar_and_shows_the_reason() {
    let scene = Scene::beside_others("exec").await;
    let mut manifest = greeter("v1.8.0-grpc");
    manifest["spec"]["initContainers"] = Value::Null;
    let probe = json!({
        "exec": { "command": ["/health", "probe", format!("--server_name={NAME}"), "--server_address=localhost:8080"] },
        "periodSeconds": 1, "timeoutSeconds": 2, "failureThreshold": 2,
    });
    let service = &mut manifest["spec"]["containers"][0];
    for kind in ["startupProbe", "livenessProbe", "readinessProbe"] {
        service[kind] = probe.clone();
    }
    service["startupProbe"]["failureThreshold"] = json!(30);
    let pod = scene.ready_pod("greeter", manifest).await;
    let hung = Instant::now();
    pod.process("greeter").await.hang();
    pod.until("restarted", restarted).await;
    let took = hung.elapsed();
    let state = pod
        .until("Ready again", |state| restarted(state) && state.is_ready())
        .await;
    assert_eq!(state.all_restarts(), "greeter 1");
    // For httpGet the kubelet shows a number, for exec the output of the program.
    let why = pod
        .event("Unhealthy", "greeter", "Liveness probe failed: ")
        .await;
    assert!(why.contains("deadline"), "{why}");
    row("greeter hangs, exec probe", Some(took), &state, &why);
    scene.close().await;
}

#[tokio::test]
async fn the_kubelets_own_grpc_probe_uses_our_health_v1() {
    let scene = Scene::beside_others("grpc").await;
    let mut manifest = greeter("v5.30.0-mucp");
    let service = &mut manifest["spec"]["containers"][0];
    for kind in ["startupProbe", "livenessProbe", "readinessProbe"] {
        service[kind]["httpGet"] = Value::Null;
        service[kind]["grpc"] = json!({ "port": 8081, "service": NAME });
    }
    let pod = scene.ready_pod("greeter", manifest).await;
    let hung = Instant::now();
    pod.process("greeter").await.hang();
    pod.until("restarted", restarted).await;
    let took = hung.elapsed();
    let state = pod
        .until("Ready again", |state| restarted(state) && state.is_ready())
        .await;
    assert_eq!(state.all_restarts(), "greeter 1, health 0");
    let why = pod
        .event(
            "Unhealthy",
            "greeter",
            "Liveness probe failed: service unhealthy (responded with \"NOT_SERVING\")",
        )
        .await;
    row("greeter hangs, grpc probe", Some(took), &state, &why);
    scene.close().await;
}

#[tokio::test]
async fn a_sidecar_that_exits_restarts_the_whole_pod() {
    let scene = Scene::beside_others("restart-all").await;
    let mut manifest = greeter("v2.9.1-mucp");
    let spec = &mut manifest["spec"];
    let sidecar = &mut spec["initContainers"][0];
    let args = sidecar["args"].as_array_mut().unwrap();
    args.extend(["--exit_after_failures=2", "--period=1s"].map(|flag| json!(flag)));
    sidecar["restartPolicyRules"] = json!([{
        "action": "RestartAllContainers",
        "exitCodes": { "operator": "In", "values": [88] },
    }]);
    // Only the sidecar decides.
    spec["containers"][0]["livenessProbe"] = Value::Null;
    let pod = scene.ready_pod("greeter", manifest).await;
    // Only the sidecar's own checks count, one each period; the service must be healthy first.
    pod.counts("health_sidecar_checks_total{", "ok", 10).await;
    let before = pod.state().await;
    let service = pod.process("greeter").await;
    let hung = Instant::now();
    service.hang();
    let again = |state: &PodState| {
        restarted(state) && state.restarts("health") > 0 && state.is_running("health")
    };
    pod.until("restarted as a whole", again).await;
    let took = hung.elapsed();
    let state = pod
        .until("Ready again", |state| again(state) && state.is_ready())
        .await;
    assert_eq!(state.all_restarts(), "greeter 1, health 1");
    // The kubelet does not keep the exit code 88. It removes the containers, and reports this
    // status of each.
    for container in ["greeter", "health"] {
        let ended = state.ended_before(container);
        assert_eq!(ended, Some((137, "RestartingAllContainers")), "{container}");
    }
    // The restart is in place: the same pod, at the same address.
    assert_eq!(
        (state.ip(), &state.0.metadata.uid),
        (before.ip(), &before.0.metadata.uid)
    );
    assert_ne!(pod.process("greeter").await, service);
    row(
        "greeter hangs, exit 88, RestartAllContainers",
        Some(took),
        &state,
        "--exit_after_failures=2 --period=1s",
    );
    scene.close().await;
}
