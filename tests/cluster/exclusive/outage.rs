//! An outage of the API server: no container is restarted, and no pod leaves the registry.

use std::time::Duration;

use serde_json::json;
use testkit::cluster::ROLE;
use tokio::time::{Instant, sleep};

use crate::rig::{
    ACCOUNT, NAME, POLL, PodState, RunningPod, Scene, get, greeter, push, registered, row,
    this_second,
};

/// The outage is longer than two intervals of the registration, and than the time after which
/// controllers give a node up.
const AWAY: Duration = Duration::from_mins(1);

/// Returns the parts of a pod that are its registration.
async fn registration(pod: &RunningPod) -> (String, Vec<String>) {
    let state = pod
        .until("registered", |state| state.annotation(&key()).is_some())
        .await;
    let labels = state.0.metadata.labels.clone().unwrap_or_default();
    let ours = labels
        .into_keys()
        .filter(|label| label.starts_with("micro.mu/"));
    (state.annotation(&key()).unwrap().to_owned(), ours.collect())
}

fn key() -> String {
    format!("micro.mu/service-{NAME}")
}

#[tokio::test]
async fn an_outage_of_the_api_server_restarts_and_deregisters_nothing() {
    let scene = Scene::alone("outage").await;
    scene.namespace.account(ACCOUNT, &ROLE, &[]).await;
    let mut manifest = registered(greeter("v5.30.0-mucp"));
    let args = &mut manifest["spec"]["initContainers"][0]["args"];
    for flag in [
        "--register_jitter=0",
        "--register_interval=5s",
        "--register_ttl=15s",
        "--period=1s",
    ] {
        push(args, json!(flag));
    }
    let (well, hangs) = tokio::join!(
        scene.ready_pod("well", manifest.clone()),
        scene.ready_pod("hangs", manifest)
    );
    let before = registration(&well).await;
    let processes = (well.process("greeter").await, well.process("health").await);
    let address = well.address(8081).await;
    let hung = hangs.process("greeter").await;

    let mut control_plane = scene.cluster.control_plane().await;
    control_plane.stop_apiserver();
    let stopped = Instant::now();
    // The kubelet needs no API server for its work.
    hung.hang();
    let mut rounds = 0;
    while stopped.elapsed() < AWAY {
        for path in ["/health", "/healthz", "/readyz", "/livez"] {
            let (status, body) = get(address, path).await;
            assert_eq!(
                status,
                200,
                "{path} {:?} into the outage: {body}",
                stopped.elapsed()
            );
        }
        rounds += 1;
        sleep(POLL * 10).await;
    }
    let (_, page) = get(address, "/metrics").await;
    let back = this_second();
    control_plane.start_apiserver().await;
    let away = stopped.elapsed();
    drop(control_plane);

    let state = hangs
        .until("restarted", |state| {
            state.restarts("greeter") > 0 && state.is_ready()
        })
        .await;
    assert_eq!(state.all_restarts(), "greeter 1, health 0");
    let restarted = state.started("greeter").unwrap();
    let state = well.until("Ready", PodState::is_ready).await;
    assert_eq!(state.all_restarts(), "greeter 0, health 0");
    assert_eq!(
        (well.process("greeter").await, well.process("health").await),
        processes
    );
    assert_eq!(registration(&well).await, before);
    let deregistrations = |page: &str| {
        let lines = page
            .lines()
            .filter(|it| it.starts_with("health_sidecar_registry_patches_total"));
        lines
            .filter(|it| it.contains("deregister"))
            .map(str::to_owned)
            .collect::<Vec<_>>()
    };
    assert_eq!(deregistrations(&page), Vec::<String>::new());
    let (_, page) = get(address, "/metrics").await;
    assert_eq!(deregistrations(&page), Vec::<String>::new());
    let note = format!("{rounds} rounds of /health, /healthz, /readyz, /livez: all 200");
    row("API server away", Some(away), &state, &note);
    assert!(
        restarted < back,
        "restarted in second {restarted}, and the API server was back in {back}"
    );
    row(
        "API server away, greeter hangs",
        None,
        &hangs.state().await,
        "restarted during the outage",
    );
    // The next scenario finds the cluster as it was before.
    scene.is_served().await;
    let note = format!(
        "new namespaces are served {:.0?} after the outage's beginning",
        stopped.elapsed()
    );
    row("API server back", None, &state, &note);
    scene.close().await;
}
