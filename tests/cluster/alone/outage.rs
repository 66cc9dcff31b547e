//! The API server is away for a while: nobody is restarted, and nobody leaves the registry.

use std::time::Duration;

use serde_json::json;
use testkit::cluster::ROLE;
use tokio::time::{Instant, sleep};

use crate::rig::{
    ACCOUNT, LOOK_AGAIN, NAME, RunningPod, Scene, Seen, get, greeter, push, registered, row,
    this_second,
};

/// Longer than two intervals of the registration, and than the time after which controllers give a node up.
const AWAY: Duration = Duration::from_mins(1);

/// What of a pod is the registration.
async fn registration(pod: &RunningPod) -> (String, Vec<String>) {
    let seen = pod
        .until("registered", |seen| seen.annotation(&key()).is_some())
        .await;
    let labels = seen.0.metadata.labels.clone().unwrap_or_default();
    let ours = labels
        .into_keys()
        .filter(|label| label.starts_with("micro.mu/"));
    (seen.annotation(&key()).unwrap().to_owned(), ours.collect())
}

fn key() -> String {
    format!("micro.mu/service-{NAME}")
}

#[tokio::test]
async fn an_api_server_that_is_away_restarts_nobody_and_deregisters_nobody() {
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
    // The kubelet needs no API server to do its work.
    hung.hang();
    let mut asked = 0;
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
        asked += 1;
        sleep(LOOK_AGAIN * 10).await;
    }
    let (_, page) = get(address, "/metrics").await;
    let back = this_second();
    control_plane.start_apiserver().await;
    let away = stopped.elapsed();
    drop(control_plane);

    let seen = hangs
        .until("restarted", |seen| {
            seen.restarts("greeter") > 0 && seen.is_ready()
        })
        .await;
    assert_eq!(seen.all_restarts(), "greeter 1, health 0");
    let restarted = seen.started("greeter").unwrap();
    let seen = well.until("Ready", Seen::is_ready).await;
    assert_eq!(seen.all_restarts(), "greeter 0, health 0");
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
    let note = format!("{asked} rounds of /health, /healthz, /readyz, /livez: all 200");
    row("API server away", Some(away), &seen, &note);
    assert!(
        restarted < back,
        "restarted in second {restarted}, and the API server was back in {back}"
    );
    row(
        "API server away, greeter hangs",
        None,
        &hangs.seen().await,
        "restarted during the outage",
    );
    // Whoever comes next finds the cluster as it was before.
    scene.is_served().await;
    let note = format!(
        "new namespaces are served {:.0?} after the outage's beginning",
        stopped.elapsed()
    );
    row("API server back", None, &seen, &note);
    scene.close().await;
}
