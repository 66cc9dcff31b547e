//! The registration of two services in one pod: each comes and goes alone, and no watcher loses
//! the other.

use futures_util::future::join_all;
use testkit::cluster::{GoClient, IP, Namespace, RELEASES, ROLE, S6};
use testkit::greeter::Greeter;
use testkit::{LOOK_AGAIN, within};
use tokio::time::sleep;

use crate::rig::Sidecar;

/// Returns every release of the scheme that the sidecar writes by default.
fn releases() -> impl Iterator<Item = &'static str> {
    RELEASES.into_iter().filter(|release| *release != S6)
}

#[tokio::test]
async fn one_service_leaves_and_watchers_of_the_other_see_no_delete() {
    let namespace = Namespace::fresh("several").await;
    namespace.account("greeter", &ROLE, &[]).await;
    for pod in ["greeter-0", "watcher-0"] {
        namespace.running_pod(pod, "greeter", IP).await;
    }
    let watcher = namespace.identity("watcher-0").await;
    let watches = releases().map(|release| {
        let client = GoClient::new(release, &watcher);
        async move { (release, client.watch(Some("greeter")).await) }
    });
    let watches = join_all(watches).await;

    let [mut greeter, mut other] = [Greeter::reserve(), Greeter::reserve()];
    greeter.start();
    other.start();
    let target = format!("--target=other={}", other.address());
    let identity = namespace.identity("greeter-0").await;
    let sidecar = Sidecar::start(&identity, greeter.address(), &[&target]).await;
    let registration = sidecar.is("registered").await;
    assert_eq!(registration["services"].as_array().unwrap().len(), 2);
    for release in releases() {
        let client = GoClient::new(release, &watcher);
        for (name, port) in [
            ("greeter", greeter.address().port()),
            ("other", other.address().port()),
        ] {
            let found = client.get(name).await.unwrap();
            assert_eq!(
                found[0].nodes()[0].address,
                format!("{IP}:{port}"),
                "{release} {name}"
            );
        }
    }

    other.kill();
    sidecar.is("not registered").await;
    for release in releases() {
        let client = GoClient::new(release, &watcher);
        assert_eq!(client.get("greeter").await.unwrap().len(), 1, "{release}");
        // Most releases return an error, the oldest an empty answer.
        assert!(
            client
                .get("other")
                .await
                .is_ok_and(|found| found.is_empty())
                || release != "s4-old"
        );
    }
    let labels = namespace
        .pod("greeter-0")
        .await
        .unwrap()
        .metadata
        .labels
        .unwrap();
    assert!(labels.contains_key("micro.mu/selector-other"), "{labels:?}");
    other.start();
    sidecar.is("registered").await;

    greeter.kill();
    other.kill();
    sidecar.is("not registered").await;
    for (release, mut watch) in watches {
        let mut events = Vec::new();
        loop {
            let event = watch.next().await.unwrap();
            let gone = event.action == "delete";
            events.push(format!("{} {}", event.action, event.service.name));
            if gone && event.service.name == "greeter" {
                break;
            }
        }
        // A watch of one service also reports the pod's others, in the order of a Go map.
        assert!(
            events.contains(&"create greeter".to_owned()),
            "{release}: {events:?}"
        );
        let deletes = events
            .iter()
            .filter(|events| *events == "delete greeter")
            .count();
        assert_eq!(deletes, 1, "{release}: {events:?}");
    }
    // The other service leaves with a write of its own.
    within("the end of the other service", async {
        loop {
            let metadata = namespace.pod("greeter-0").await.unwrap().metadata;
            let labels = metadata.labels.unwrap_or_default().len();
            let annotations = metadata.annotations.unwrap_or_default().len();
            if (labels, annotations) == (0, 0) {
                break;
            }
            sleep(LOOK_AGAIN).await;
        }
    })
    .await;
}
