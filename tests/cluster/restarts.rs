//! Whoever is ill is restarted, and nobody else: the kubelet restarts the container that carries the probe.

use std::time::Duration;

use futures_util::future::join_all;
use serde_json::{Value, json};
use tokio::time::Instant;

use crate::rig::{CELLS, RunningPod, Scene, Seen, classic, greeter, row};

/// Longer than three periods of the published manifest and its whole grace period.
const PUBLISHED: Duration = Duration::from_mins(4);

/// Hangs the greeter and waits until it is Ready once more.
async fn hang(pod: &RunningPod, bound: Duration) -> (Duration, Seen) {
    let before = pod.process("greeter").await;
    let sidecar = pod.process("health").await;
    let hung = Instant::now();
    before.hang();
    let again = |seen: &Seen| seen.restarts("greeter") > 0 && seen.is_running("greeter");
    pod.until_within(bound, "restarted", again).await;
    let took = hung.elapsed();
    let seen = pod
        .until("Ready again", |seen| again(seen) && seen.is_ready())
        .await;
    assert_eq!(seen.all_restarts(), "greeter 1, health 0");
    assert_ne!(pod.process("greeter").await, before);
    assert_eq!(pod.process("health").await, sidecar);
    pod.event(
        "Unhealthy",
        "greeter",
        "Liveness probe failed: HTTP probe failed with statuscode: 500",
    )
    .await;
    pod.event(
        "Killing",
        "greeter",
        "failed liveness probe, will be restarted",
    )
    .await;
    (took, seen)
}

#[tokio::test]
async fn a_hung_greeter_is_restarted_and_its_sidecar_is_not() {
    let scene = Scene::beside_others("hung").await;
    let each = CELLS.map(|cell| {
        let scene = &scene;
        async move {
            let pod = scene
                .ready_pod(&cell.replace('.', "-"), greeter(cell))
                .await;
            let (took, seen) = hang(&pod, PUBLISHED).await;
            row(
                &format!("greeter hangs, {cell}"),
                Some(took),
                &seen,
                "periods 1 s × 3, grace 2 s",
            );
        }
    });
    join_all(each).await;
    scene.close().await;
}

#[tokio::test]
async fn with_the_readmes_own_manifest_it_takes_the_longer() {
    let scene = Scene::beside_others("readme").await;
    let mut manifest = classic(greeter("v5.30.0-mucp"));
    let spec = &mut manifest["spec"];
    spec["terminationGracePeriodSeconds"] = Value::Null;
    let probe = |path: &str| json!({ "httpGet": { "path": path, "port": 8081 } });
    let service = &mut spec["containers"][0];
    service["startupProbe"] = probe("/health");
    service["startupProbe"]["periodSeconds"] = json!(2);
    service["startupProbe"]["failureThreshold"] = json!(30);
    service["livenessProbe"] = probe("/health");
    service["livenessProbe"]["periodSeconds"] = json!(10);
    service["livenessProbe"]["timeoutSeconds"] = json!(2);
    service["readinessProbe"] = probe("/readyz");
    service["readinessProbe"]["periodSeconds"] = json!(5);
    let pod = scene.ready_pod("greeter", manifest).await;
    let (took, seen) = hang(&pod, PUBLISHED).await;
    row(
        "greeter hangs, the README's manifest",
        Some(took),
        &seen,
        "periods 10 s × 3, grace 30 s",
    );
    scene.close().await;
}

#[tokio::test]
async fn a_crashed_greeter_is_restarted_and_its_sidecar_is_not() {
    let scene = Scene::beside_others("crashed").await;
    let pod = scene.ready_pod("greeter", greeter("v2.9.1-mucp")).await;
    let sidecar = pod.process("health").await;
    let crashed = Instant::now();
    pod.process("greeter").await.crash();
    let again = |seen: &Seen| seen.restarts("greeter") > 0 && seen.is_running("greeter");
    pod.until("restarted", again).await;
    let took = crashed.elapsed();
    let seen = pod
        .until("Ready again", |seen| again(seen) && seen.is_ready())
        .await;
    assert_eq!(seen.all_restarts(), "greeter 1, health 0");
    assert_eq!(seen.ended_before("greeter"), Some((137, "Error")));
    assert_eq!(pod.process("health").await, sidecar);
    row("greeter crashes", Some(took), &seen, "");
    scene.close().await;
}

#[tokio::test]
async fn a_killed_sidecar_comes_back_before_the_greeter_is_blamed() {
    let scene = Scene::beside_others("killed").await;
    let mut manifest = greeter("v1.8.0-grpc");
    // More than a busy machine takes to start a container, and a sixth of the published 3 × 10 s.
    manifest["spec"]["containers"][0]["livenessProbe"]["failureThreshold"] = json!(5);
    let pod = scene.ready_pod("greeter", manifest).await;
    let service = pod.process("greeter").await;
    let killed = Instant::now();
    pod.process("health").await.crash();
    let again = |seen: &Seen| seen.restarts("health") > 0 && seen.is_running("health");
    pod.until("running its sidecar again", again).await;
    let took = killed.elapsed();
    let seen = pod
        .until("Ready again", |seen| again(seen) && seen.is_ready())
        .await;
    assert_eq!(seen.all_restarts(), "greeter 0, health 1");
    assert_eq!(pod.process("greeter").await, service);
    row(
        "sidecar is killed",
        Some(took),
        &seen,
        "liveness 1 s × 5 on the greeter",
    );
    scene.close().await;
}
