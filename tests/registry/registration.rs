//! A pod's registration, from the first healthy check to the pod's end, and its events in Go's
//! watchers.

use futures_util::future::join_all;
use serde_json::json;
use testkit::address;
use testkit::cluster::{GoClient, IP, Identity, Namespace, RELEASES, ROLE, S6};
use testkit::greeter::Greeter;
use testkit::within;
use tokio::time::{Duration, sleep};

use crate::rig::{Sidecar, keys, version};

const RECORD: &str = "micro.mu/service-greeter";

/// The time of several intervals of the sidecar.
const INTERVALS: Duration = Duration::from_millis(700);

/// Creates a namespace with one pod, whose account has a role.
async fn a_pod(prefix: &str, verbs: &[&str]) -> (Namespace, Identity) {
    let namespace = Namespace::fresh(prefix).await;
    namespace.account("greeter", verbs, &[]).await;
    namespace.running_pod("greeter-0", "greeter", IP).await;
    let identity = namespace.identity("greeter-0").await;
    (namespace, identity)
}

#[tokio::test]
async fn a_healthy_service_is_found_by_every_generation_and_an_unhealthy_one_by_none() {
    let (namespace, identity) = a_pod("life", &ROLE).await;
    let mut greeter = Greeter::reserve();
    greeter.start();
    greeter.set_status("starting");
    let flags = ["--register_scheme=both", "--require_registered"];
    let mut sidecar = Sidecar::start(&identity, greeter.address(), &flags).await;
    sidecar.is("not registered").await;
    assert_eq!(keys(&namespace).await, Vec::<String>::new());
    assert_eq!(sidecar.probe("/readyz").await, 503);

    greeter.set_status("ok");
    let registration = sidecar.is("registered").await;
    let port = greeter.address().port();
    assert_eq!(
        registration["services"][0]["detail"],
        format!("{IP}:{port}")
    );
    assert_eq!(
        (
            sidecar.probe("/readyz").await,
            sidecar.probe("/health").await
        ),
        (200, 200)
    );
    let found = join_all(RELEASES.map(|release| {
        let client = GoClient::new(release, &identity);
        async move {
            (
                release,
                client.get("greeter").await.unwrap(),
                client.list().await.unwrap(),
            )
        }
    }));
    for (release, found, listed) in found.await {
        let [service] = &found[..] else {
            panic!("{release}: {found:?}")
        };
        let [node] = service.nodes() else {
            panic!("{release}: {service:?}")
        };
        assert_eq!(
            (node.address.as_str(), node.port),
            (&*format!("{IP}:{port}"), 0),
            "{release}"
        );
        assert_eq!(
            listed
                .iter()
                .map(|service| &*service.name)
                .collect::<Vec<_>>(),
            ["greeter"],
            "{release}"
        );
    }

    // In many intervals there is no write.
    let before = version(&namespace).await;
    let patches = sidecar.patches().await;
    assert_eq!(patches, 2);
    sleep(INTERVALS).await;
    assert_eq!(
        (version(&namespace).await, sidecar.patches().await),
        (before, patches)
    );

    greeter.kill();
    sidecar.is("not registered").await;
    assert_eq!(keys(&namespace).await, Vec::<String>::new());
    assert_eq!(sidecar.probe("/readyz").await, 503);
    greeter.start();
    sidecar.is("registered").await;

    assert!(sidecar.terminate().await.success());
    assert_eq!(keys(&namespace).await, Vec::<String>::new());
}

/// Returns actions and versions, in order.
async fn events(release: &'static str) -> [Vec<String>; 2] {
    let (namespace, identity) = a_pod(&format!("events-{release}"), &ROLE).await;
    namespace.running_pod("watcher-0", "greeter", IP).await;
    let client = GoClient::new(release, &namespace.identity("watcher-0").await);
    let mut watchers = join_all([None, Some("greeter")].map(|service| client.watch(service))).await;
    let mut greeter = Greeter::reserve();
    greeter.start();
    let scheme = if release == S6 {
        "--register_scheme=go.micro"
    } else {
        "--register_scheme=micro.mu"
    };
    let sidecar = Sidecar::start(&identity, greeter.address(), &[scheme]).await;
    sidecar.is("registered").await;
    let key = if release == S6 {
        "go.micro/greeter"
    } else {
        RECORD
    };
    // Another writer changes the record and the sidecar repairs it. Watchers see both.
    namespace.patch_pod("greeter-0", json!({"metadata": {"annotations": {key: r#"{"name":"greeter","version":"changed"}"#}}})).await;
    within("the repair", async {
        while sidecar
            .metric("health_sidecar_registry_patches_total{result=\"ok\",reason=\"repair\"")
            .await
            < 1
        {}
    })
    .await;
    greeter.kill();
    sidecar.is("not registered").await;
    let mut events = [Vec::new(), Vec::new()];
    for (watcher, events) in watchers.iter_mut().zip(&mut events) {
        loop {
            let event = watcher.next().await.unwrap();
            events.push(format!("{} {}", event.action, event.service.version));
            if event.action == "delete" && event.service.version == "latest" {
                break;
            }
        }
    }
    events
}

#[tokio::test]
async fn watchers_of_every_generation_see_our_writes() {
    let all =
        join_all(RELEASES.map(|release| async move { (release, events(release).await) })).await;
    for (release, events) in all {
        let expected: &[&str] = match release {
            // This release does not filter, so it sees the second write as a change of its own.
            "s4-old" => &[
                "create latest",
                "update latest",
                "update changed",
                "update latest",
                "delete latest",
            ],
            _ => &[
                "create latest",
                "update changed",
                "update latest",
                "delete latest",
            ],
        };
        for events in events {
            assert_eq!(events, expected, "{release}");
        }
    }
}

#[tokio::test]
async fn get_and_patch_alone_suffice() {
    let (namespace, identity) = a_pod("reads", &["get", "patch"]).await;
    let mut greeter = Greeter::reserve();
    greeter.start();
    let sidecar = Sidecar::start(&identity, greeter.address(), &[]).await;
    sidecar.is("registered").await;
    sidecar.logs("The watch is forbidden").await;
    namespace
        .patch_pod(
            "greeter-0",
            json!({"metadata": {"annotations": {RECORD: null}}}),
        )
        .await;
    within("the repair", async {
        while !keys(&namespace).await.contains(&RECORD.to_owned()) {}
    })
    .await;
    assert_eq!(sidecar.log().matches("The watch is forbidden").count(), 1);
    namespace.terminate_pod("greeter-0").await;
    assert_eq!(sidecar.get("/prestop", "*/*").await.1, "DEREGISTERED");
}

#[tokio::test]
async fn a_role_for_one_named_pod_suffices() {
    let namespace = Namespace::fresh("named").await;
    namespace.account("greeter", &ROLE, &["greeter-0"]).await;
    namespace.running_pod("greeter-0", "greeter", IP).await;
    let identity = namespace.identity("greeter-0").await;
    let mut greeter = Greeter::reserve();
    greeter.start();
    let sidecar = Sidecar::start(&identity, greeter.address(), &[]).await;
    sidecar.is("registered").await;
    assert!(!sidecar.log().contains("forbidden"));
}

#[tokio::test]
async fn prestop_deregisters_only_a_pod_that_is_being_deleted() {
    let (namespace, identity) = a_pod("prestop", &ROLE).await;
    let mut greeter = Greeter::reserve();
    greeter.start();
    let mut sidecar = Sidecar::start(&identity, greeter.address(), &[]).await;
    sidecar.is("registered").await;
    // A container restarts, or another client calls it.
    let (status, body, _) = sidecar.get("/prestop", "*/*").await;
    assert_eq!((status, &*body), (409, "NOT_TERMINATING"));
    sidecar.is("registered").await;

    namespace.terminate_pod("greeter-0").await;
    let (status, body, _) = sidecar.get("/prestop", "*/*").await;
    assert_eq!((status, &*body), (200, "DEREGISTERED"));
    assert_eq!(keys(&namespace).await, Vec::<String>::new());
    // Before SIGTERM the pod is not ready, and the verdict goes on.
    assert_eq!(
        (
            sidecar.probe("/readyz").await,
            sidecar.probe("/health").await
        ),
        (503, 200)
    );
    assert_eq!(sidecar.registration().await["state"], "gone");
    assert!(sidecar.terminate().await.success());
}

#[tokio::test]
async fn a_deletion_deregisters_without_a_hook() {
    let (namespace, identity) = a_pod("deleted", &ROLE).await;
    let mut greeter = Greeter::reserve();
    greeter.start();
    let sidecar = Sidecar::start(&identity, greeter.address(), &[]).await;
    sidecar.is("registered").await;
    namespace.terminate_pod("greeter-0").await;
    sidecar.is("gone").await;
    assert_eq!(keys(&namespace).await, Vec::<String>::new());
    assert_eq!(sidecar.probe("/readyz").await, 503);
}

#[tokio::test]
async fn a_restarted_sidecar_changes_nothing() {
    let (namespace, identity) = a_pod("restart", &ROLE).await;
    let mut greeter = Greeter::reserve();
    greeter.start();
    let port = format!("--health_address={}", address::free());
    let sidecar = Sidecar::start(&identity, greeter.address(), &[&port]).await;
    sidecar.is("registered").await;
    // The sidecar is killed, so the pod stays registered.
    drop(sidecar);
    let before = version(&namespace).await;
    let sidecar = Sidecar::start(&identity, greeter.address(), &[&port]).await;
    sidecar.is("registered").await;
    assert_eq!(
        (version(&namespace).await, sidecar.patches().await),
        (before, 0)
    );
}

#[tokio::test]
async fn a_new_pod_of_the_same_name_is_not_patched() {
    let (namespace, identity) = a_pod("again", &ROLE).await;
    let mut greeter = Greeter::reserve();
    greeter.start();
    let sidecar = Sidecar::start(&identity, greeter.address(), &[]).await;
    sidecar.is("registered").await;
    namespace.remove_pod("greeter-0").await;
    sidecar.is("gone").await;
    namespace.running_pod("greeter-0", "greeter", IP).await;
    let other = Sidecar::start(&identity, greeter.address(), &[]).await;
    other.is("gone").await;
    assert_eq!(keys(&namespace).await, Vec::<String>::new());
    assert_eq!(other.probe("/health").await, 200);
}
