//! Services that must not be restarted: healthy, slow, or not ready for a while.

use std::time::Duration;

use futures_util::future::join_all;
use serde_json::{Value, json};
use tokio::time::Instant;

use crate::rig::{CELLS, PodState, Scene, greeter, row};

/// The time until the slow service opens its port. Its probes alone would kill it after 3 s.
const SLOW: Duration = Duration::from_secs(8);

#[tokio::test]
async fn a_greeter_of_every_generation_becomes_ready_and_stays_ready() {
    let scene = Scene::beside_others("healthy").await;
    let each = CELLS.map(|cell| {
        let scene = &scene;
        async move {
            let started = Instant::now();
            let pod = scene
                .ready_pod(&cell.replace('.', "-"), greeter(cell))
                .await;
            let took = started.elapsed();
            pod.counts("health_sidecar_http_requests_total{", "kubelet", 20)
                .await;
            let state = pod.state().await;
            assert!(state.is_ready(), "{state}");
            assert_eq!(state.all_restarts(), "greeter 0, health 0");
            let events = pod.events().await;
            let complaints = events
                .iter()
                .filter(|it| it.contains("Liveness probe failed"));
            assert_eq!(complaints.count(), 0, "{events:?}");
            row(
                &format!("healthy, {cell}"),
                Some(took),
                &state,
                "from creation to Ready",
            );
        }
    });
    join_all(each).await;
    scene.close().await;
}

#[tokio::test]
async fn only_a_startup_probe_waits_for_a_slow_start() {
    let scene = Scene::beside_others("slow").await;
    let mut patient = greeter("v2.9.1-mucp");
    let variables = patient["spec"]["containers"][0]["env"]
        .as_array_mut()
        .unwrap();
    variables.push(json!({ "name": "FIX_START", "value": format!("{}s", SLOW.as_secs()) }));
    let mut impatient = patient.clone();
    impatient["spec"]["containers"][0]["startupProbe"] = Value::Null;

    let started = Instant::now();
    let (patient, impatient) = tokio::join!(
        async { (scene.ready_pod("patient", patient).await, started.elapsed()) },
        async {
            let pod = scene.pod("impatient", impatient).await;
            pod.until("restarted", |state| state.restarts("greeter") > 0)
                .await;
            pod
        }
    );
    let (patient, took) = patient;
    assert!(took >= SLOW, "Ready after {took:?}");
    let state = patient.state().await;
    assert_eq!(state.all_restarts(), "greeter 0, health 0");
    patient
        .event(
            "Unhealthy",
            "greeter",
            "Startup probe failed: HTTP probe failed with statuscode: 500",
        )
        .await;
    row(
        "slow start, startupProbe",
        Some(took),
        &state,
        "from creation to Ready",
    );
    impatient
        .event("Killing", "greeter", "failed liveness probe")
        .await;
    row(
        "slow start, none",
        None,
        &impatient.state().await,
        "killed before it listens",
    );
    scene.close().await;
}

#[tokio::test]
async fn readiness_goes_and_comes_back_without_a_restart() {
    let scene = Scene::beside_others("readiness").await;
    let mut manifest = greeter("v5.30.0-mucp");
    manifest["spec"]["containers"][0]["livenessProbe"]["failureThreshold"] = json!(60);
    let pod = scene.ready_pod("greeter", manifest).await;
    let service = pod.process("greeter").await;

    let hung = Instant::now();
    service.hang();
    pod.until("not Ready", |state| !state.is_ready()).await;
    let off = hung.elapsed();
    let going_on = Instant::now();
    service.go_on();
    let state = pod.until("Ready again", PodState::is_ready).await;
    let on = going_on.elapsed();
    assert_eq!(state.all_restarts(), "greeter 0, health 0");
    assert_eq!(pod.process("greeter").await, service);
    pod.event(
        "Unhealthy",
        "greeter",
        "Readiness probe failed: HTTP probe failed with statuscode: 503",
    )
    .await;
    let note = format!(
        "not Ready after {:.1} s, Ready again after {:.1} s",
        off.as_secs_f64(),
        on.as_secs_f64()
    );
    row("readiness off and on", None, &state, &note);
    scene.close().await;
}
