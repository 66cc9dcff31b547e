//! What watchers of every release hear when their own release registers.
//!
//! Go registers by one patch, which most watchers miss: they see the pod for the first time then, and a
//! first sight is none of a change. Any later write makes up for it. This is why we write twice.

use futures_util::future::join_all;
use serde_json::{Value, json};
use testkit::cluster::{GoClient, GoWatch, IP, Namespace, RELEASES, ROLE, S6};

/// The version that Go clients register as.
const REGISTERED: &str = "latest";

#[tokio::test]
async fn watchers_hear_of_a_registration_when_something_else_changes() {
    join_all(RELEASES.map(|release| async move {
        let heard = heard(release).await;
        // Both kinds of watcher, of everything and of one service, hear the same.
        let expected = expected(release);
        assert_eq!(heard, [expected.clone(), expected], "{release}");
    }))
    .await;
}

/// Actions and versions. What the fences register is heard by everyone, and so splits the rest into steps.
fn expected(release: &str) -> Vec<String> {
    let (at_once, at_next_write) = match release {
        // Selects nothing, and so knew the pod before.
        "s4-old" => (Some("create latest"), Some("update latest")),
        // Compares annotations alone.
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

async fn heard(release: &'static str) -> [Vec<String>; 2] {
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

    let heard = join_all(watchers.into_iter().map(until_deleted)).await;
    heard.try_into().expect("there were two watchers")
}

async fn until_deleted(mut watcher: GoWatch) -> Vec<String> {
    let mut heard = Vec::new();
    loop {
        let event = watcher.next().await.unwrap();
        assert_eq!(event.service.name, "greeter");
        heard.push(format!("{} {}", event.action, event.service.version));
        if event.action == "delete" && event.service.version == REGISTERED {
            return heard;
        }
    }
}

/// Registers the pod by two patches, labels first: what every watcher hears.
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
