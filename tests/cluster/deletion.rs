//! The deletion of a pod: it leaves the registry before it stops taking traffic.

mod caller;

use std::net::SocketAddr;
use std::time::Duration;

use serde_json::json;
use testkit::cluster::{GoClient, ROLE};
use tokio::net::TcpStream;
use tokio::time::{Instant, sleep, timeout};

use self::caller::Caller;
use crate::rig::{ACCOUNT, KUBELET, NAME, Scene, greeter, push, registered, row};

/// The time for clients to notice the deregistration.
const DRAIN: &str = "2s";

/// The interval of the calls, and of the checks whether the port is open.
const OFTEN: Duration = Duration::from_millis(5);

/// The release of go-micro's registry that clients of v4 and v5 have.
const RELEASE: &str = "v4c";

#[tokio::test]
async fn a_client_that_watches_the_registry_loses_no_request() {
    let scene = Scene::beside_others("deletion").await;
    scene.namespace.account(ACCOUNT, &ROLE, &[]).await;
    let mut manifest = registered(greeter("v5.30.0-mucp"));
    let spec = &mut manifest["spec"];
    spec["terminationGracePeriodSeconds"] = json!(20);
    spec["containers"][0]["lifecycle"] =
        json!({ "preStop": { "httpGet": { "path": "/prestop", "port": 8081 } } });
    let args = &mut spec["initContainers"][0]["args"];
    push(args, json!("--register_jitter=0"));
    push(args, json!(format!("--drain={DRAIN}")));
    let (goes, stays) = tokio::join!(
        scene.ready_pod("goes", manifest.clone()),
        scene.ready_pod("stays", manifest)
    );
    for pod in [&goes, &stays] {
        pod.until("registered", |state| state.annotation(&record()).is_some())
            .await;
    }

    let client = GoClient::new(RELEASE, &scene.namespace.identity("stays").await);
    let known = client
        .get(NAME)
        .await
        .expect("the registry must be readable");
    let mut watch = client.watch(Some(NAME)).await;
    let caller = Caller::start(&known);
    caller.has_called(200).await;
    let address = goes.address(8080).await;
    assert!(caller.knows(address), "{known:?}");
    let port = tokio::spawn(closes(address));

    let deleted = Instant::now();
    goes.delete().await;
    let event = loop {
        let event = watch.next().await.expect("the watch must go on");
        caller.apply(&event);
        if !caller.knows(address) {
            break event;
        }
    };
    let removed = deleted.elapsed();
    let closed = port.await.unwrap().duration_since(deleted);
    goes.gone().await;
    let (calls, failures) = caller.end().await;
    assert!(failures.is_empty(), "of {calls} calls: {failures:?}");
    assert!(
        closed > removed,
        "closed after {closed:?}, {event:?} after {removed:?}"
    );
    let note = format!(
        "{} heard {removed:.0?} after the deletion, port closed {:.1?} later; {calls} calls, 0 failed",
        event.action,
        closed.saturating_sub(removed),
    );
    row(
        "deletion, --drain=2s",
        Some(closed),
        &stays.state().await,
        &note,
    );
    scene.close().await;
}

fn record() -> String {
    format!("micro.mu/service-{NAME}")
}

/// Waits until nothing listens there any more, and returns the time.
async fn closes(address: SocketAddr) -> Instant {
    let closed = timeout(KUBELET, async {
        loop {
            let connected = timeout(OFTEN * 100, TcpStream::connect(address)).await;
            if !matches!(connected, Ok(Ok(_))) {
                return Instant::now();
            }
            sleep(OFTEN).await;
        }
    });
    let closed = closed.await;
    closed.unwrap_or_else(|_| panic!("{address} still accepts {KUBELET:?} after the deletion"))
}
