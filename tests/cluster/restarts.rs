//! The restarts of unhealthy containers: the kubelet restarts only the container that has the
//! probe.

use std::time::Duration;

use futures_util::future::join_all;
use serde_json::json;
use tokio::time::Instant;

use crate::rig::{
    CELLS, PodState, RunningPod, Scene, as_classic, base, classic, greeter, probed_as, readme, row,
};

/// The time limit: longer than three periods of the published manifest and its whole grace
/// period.
const PUBLISHED: Duration = Duration::from_mins(4);

/// Hangs the greeter and waits until it is Ready again.
async fn hang(pod: &RunningPod, bound: Duration) -> (Duration, PodState) {
    let before = pod.process("greeter").await;
    let sidecar = pod.process("health").await;
    let hung = Instant::now();
    before.hang();
    let again = |state: &PodState| state.restarts("greeter") > 0 && state.is_running("greeter");
    pod.until_within(bound, "restarted", again).await;
    let took = hung.elapsed();
    let state = pod
        .until("Ready again", |state| again(state) && state.is_ready())
        .await;
    assert_eq!(state.all_restarts(), "greeter 1, health 0");
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
    (took, state)
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
            let (took, state) = hang(&pod, PUBLISHED).await;
            row(
                &format!("greeter hangs, {cell}"),
                Some(took),
                &state,
                "periods 1 s × 3, grace 2 s",
            );
        }
    });
    join_all(each).await;
    scene.close().await;
}

#[tokio::test]
async fn the_readmes_own_manifest_restarts_a_hung_greeter_later() {
    let scene = Scene::beside_others("readme").await;
    let manifest = probed_as(&readme(), greeter("v5.30.0-mucp"));
    let pod = scene.ready_pod("greeter", manifest).await;
    let (took, state) = hang(&pod, PUBLISHED).await;
    row(
        "greeter hangs, the README's manifest",
        Some(took),
        &state,
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
    let again = |state: &PodState| state.restarts("greeter") > 0 && state.is_running("greeter");
    pod.until("restarted", again).await;
    let took = crashed.elapsed();
    let state = pod
        .until("Ready again", |state| again(state) && state.is_ready())
        .await;
    assert_eq!(state.all_restarts(), "greeter 1, health 0");
    assert_eq!(state.ended_before("greeter"), Some((137, "Error")));
    assert_eq!(pod.process("health").await, sidecar);
    row("greeter crashes", Some(took), &state, "");
    scene.close().await;
}

#[tokio::test]
async fn a_killed_sidecar_comes_back_before_the_greeter_is_blamed() {
    let scene = Scene::beside_others("killed").await;
    let mut manifest = greeter("v1.8.0-grpc");
    // The value is longer than a busy machine takes to start a container, and a sixth of the
    // published 3 × 10 s.
    manifest["spec"]["containers"][0]["livenessProbe"]["failureThreshold"] = json!(5);
    let pod = scene.ready_pod("greeter", manifest).await;
    let service = pod.process("greeter").await;
    let killed = Instant::now();
    pod.process("health").await.crash();
    let again = |state: &PodState| state.restarts("health") > 0 && state.is_running("health");
    pod.until("running its sidecar again", again).await;
    let took = killed.elapsed();
    let state = pod
        .until("Ready again", |state| again(state) && state.is_ready())
        .await;
    assert_eq!(state.all_restarts(), "greeter 0, health 1");
    assert_eq!(pod.process("greeter").await, service);
    row(
        "sidecar is killed",
        Some(took),
        &state,
        "liveness 1 s × 5 on the greeter",
    );
    scene.close().await;
}

/// Hangs the sidecar at the worst moment, just after its own probe, and waits until the pod has
/// recovered.
async fn hang_sidecar(pod: &RunningPod, name: &str) {
    let service = pod.process("greeter").await;
    let sidecar = pod.process("health").await;
    pod.probed_once_more("/livez").await;
    let hung = Instant::now();
    sidecar.hang();
    let again = |state: &PodState| state.restarts("health") > 0 && state.is_running("health");
    let states = pod.states_during(Box::pin(async {
        pod.until_within(PUBLISHED, "running its sidecar again", again)
            .await;
        // Once each probe of the greeter has passed again, its earlier failures do not count.
        for path in ["/health", "/readyz"] {
            pod.probed_once_more(path).await;
        }
    }));
    let states = states.await;

    let state = pod.state().await;
    assert_eq!(state.all_restarts(), "greeter 0, health 1");
    assert_eq!(pod.process("greeter").await, service);
    assert_ne!(pod.process("health").await, sidecar);
    let blamed = |(_, state): &&(Instant, PodState)| !state.is_container_ready("greeter");
    let blamed = states
        .iter()
        .find(blamed)
        .map(|(_, state)| state.to_string());
    assert_eq!(blamed, None, "the greeter must stay ready");
    pod.event("Unhealthy", "health", "Liveness probe failed: Get ")
        .await;
    pod.event("Killing", "health", "failed liveness probe")
        .await;
    let restarted = states.iter().find(|(_, state)| again(state));
    let took = restarted.map(|(at, _)| *at - hung);
    row(
        &format!("sidecar hangs, {name}"),
        took,
        &state,
        &readiness(&states),
    );
}

/// Returns how long the pod was not Ready, as a text.
fn readiness(states: &[(Instant, PodState)]) -> String {
    let lasted = states.windows(2).filter_map(|pair| {
        let [(from, state), (until, _)] = pair else {
            return None;
        };
        (!state.is_ready()).then_some(*until - *from)
    });
    let lasted: Duration = lasted.sum();
    if lasted.is_zero() {
        return "Ready throughout".to_owned();
    }
    format!("not Ready for {:.1} s", lasted.as_secs_f64())
}

#[tokio::test]
async fn a_hung_sidecar_is_restarted_before_the_greeter_is_blamed() {
    let scene = Scene::beside_others("hung-sidecar").await;
    let native = probed_as(&base(), greeter("v1.8.0-grpc"));
    let second = probed_as(&as_classic(readme()), classic(greeter("v2.9.1-mucp")));
    let each = [
        ("native", native, "the probes of k8s/base"),
        ("classic", second, "the README's probes"),
    ];
    let each = each.map(|(pod, manifest, name)| {
        let scene = &scene;
        async move {
            let pod = scene.ready_pod(pod, manifest).await;
            hang_sidecar(&pod, name).await;
        }
    });
    join_all(each).await;
    scene.close().await;
}
