//! The events that watchers of every release get when their own release registers.
//!
//! Go registers by one patch, which most watchers miss: they see the pod for the first time then,
//! and a first sight is no change. Any later write makes up for it. Therefore the sidecar writes
//! twice.

use futures_util::future::join_all;
use serde_json::{Value, json};
use testkit::cluster::{GoClient, GoWatch, IP, Namespace, RELEASES, ROLE, S6};

/// The version that Go clients register as.
const REGISTERED: &str = "latest";

#[tokio::test]
async fn watchers_see_a_registration_at_the_next_change() {
    join_all(RELEASES.map(|release| async move {
        let events = events(release).await;
        // Both kinds of watcher, of everything and of one service, get the same events.
        let expected = expected(release);
        assert_eq!(events, [expected.clone(), expected], "{release}");
    }))
    .await;
}

/// Returns actions and versions. Every watcher sees the registrations of the fences, which split
/// the events into steps.
fn expected(release: &str) -> Vec<String> {
    let (at_once, at_next_write) = match release {
        // This release has no selector, so it knew the pod before.
        "s4-old" => (Some("create latest"), Some("update latest")),
        // This release compares annotations only.
        S6 => (Some("create latest"), None),
        _ => (None, Some("create latest")),
    };
    [
        at_once,
        Some("create fence-0"),
        at_next_write,
        Some("create fence-1"),
        Some("delete latest"),
    ]
    .into_iter()
    .flatten()
    .map(str::to_owned)
    .collect()
}

async fn events(release: &'static str) -> [Vec<String>; 2] {
    let namespace = Namespace::fresh(&format!("watches-{release}")).await;
    namespace.account("greeter", &ROLE, &[]).await;
    for pod in ["greeter-0", "fence-0", "fence-1"] {
        namespace.running_pod(pod, "greeter", IP).await;
    }
    let client = GoClient::new(release, &namespace.identity("greeter-0").await);
    let watchers = [None, Some("greeter")].map(|service| client.watch(service));
    let watchers = join_all(watchers).await;

    client.register("greeter").await.unwrap();
    fence(&namespace, release, "fence-0").await;
    client.register("greeter").await.unwrap();
    let unrelated = json!({ "metadata": { "annotations": { "example.com/unrelated": "yes" } } });
    namespace.patch_pod("greeter-0", unrelated).await;
    fence(&namespace, release, "fence-1").await;
    client.deregister("greeter").await.unwrap();

    let events = join_all(watchers.into_iter().map(until_deleted)).await;
    events.try_into().expect("there were two watchers")
}

async fn until_deleted(mut watcher: GoWatch) -> Vec<String> {
    let mut events = Vec::new();
    loop {
        let event = watcher.next().await.unwrap();
        assert_eq!(event.service.name, "greeter");
        events.push(format!("{} {}", event.action, event.service.version));
        if event.action == "delete" && event.service.version == REGISTERED {
            return events;
        }
    }
}

/// Registers the pod by two patches, labels first, which every watcher sees.
async fn fence(namespace: &Namespace, release: &str, pod: &str) {
    let service = json!({ "name": "greeter", "version": pod, "nodes": [] }).to_string();
    let (labels, annotations) = if release == S6 {
        (
            json!({ "micro": "service", "go.micro/greeter": "service" }),
            json!({ "go.micro/greeter": service }),
        )
    } else {
        (
            json!({ "micro.mu/type": "service", "micro.mu/selector-greeter": "service" }),
            json!({ "micro.mu/service-greeter": service }),
        )
    };
    let metadata = |metadata: Value| json!({ "metadata": metadata });
    namespace
        .patch_pod(pod, metadata(json!({ "labels": labels })))
        .await;
    namespace
        .patch_pod(pod, metadata(json!({ "annotations": annotations })))
        .await;
}
