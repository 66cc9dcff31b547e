//! The writes of a registry, which the policies admit.

use serde_json::json;
use testkit::cluster::{GoClient, RELEASES};
use testkit::greeter::Greeter;
use testkit::within;

use super::world::{ANY_NODE_ID, World, label};
use crate::rig::{Sidecar, keys};

/// Runs a sidecar that registers, announces, repairs and deregisters in both schemes, and asserts
/// that no write is refused.
pub async fn registers_and_deregisters(world: &World) {
    let identity = world.namespace.identity("greeter-0").await;
    let mut greeter = Greeter::reserve();
    greeter.start();
    let flags = ["--register_scheme=both"];
    let mut sidecar = Sidecar::start(&identity, greeter.address(), &flags).await;
    sidecar.is("registered").await;
    let drift = json!({ "metadata": {
        "labels": { "micro.mu/selector-greeter": null },
        "annotations": { "go.micro/greeter": null },
    } });
    world.namespace.patch_pod("greeter-0", drift).await;
    within("the repair", async {
        let is_there = |keys: &[String], key: &str| keys.iter().any(|it| it == key);
        loop {
            let keys = keys(&world.namespace).await;
            let labels = is_there(&keys, "micro.mu/selector-greeter");
            if labels && is_there(&keys, "go.micro/greeter") {
                break;
            }
        }
    })
    .await;
    greeter.kill();
    sidecar.is("not registered").await;
    greeter.start();
    sidecar.is("registered").await;
    assert!(sidecar.terminate().await.success());
    let log = sidecar.log();
    assert!(!log.contains("Registry request failed"), "{log}");
    for scheme in ["micro.mu", "go.micro", "registration.micro-health"] {
        let keys = keys(&world.namespace).await;
        assert!(!keys.iter().any(|key| key.starts_with(scheme)), "{keys:?}");
    }
}

#[tokio::test]
async fn the_sidecars_writes_are_admitted() {
    let world = World::new("policy-sidecar").await;
    registers_and_deregisters(&world).await;
    let pod = world.namespace.pod("greeter-0").await.unwrap();
    let left = pod.metadata.annotations.unwrap_or_default();
    assert_eq!(left.keys().collect::<Vec<_>>(), ["example.com/note"]);
}

#[tokio::test]
async fn the_writes_of_every_go_registry_are_admitted_where_any_node_id_is() {
    let world = World::new("policy-plugin").await;
    let identity = world.namespace.identity("greeter-0").await;
    let go = GoClient::new("v4c", &identity);
    // It hides the server's sentence.
    assert!(go.register("greeter").await.is_err());

    let admitted = World::record("greeter", "greeter-1", "10.1.0.112:8080");
    world.leave_out(ANY_NODE_ID, &admitted).await;
    for release in RELEASES {
        let go = GoClient::new(release, &identity);
        assert_eq!(go.register("greeter").await, Ok(()), "{release}");
        assert_eq!(go.deregister("greeter").await, Ok(()), "{release}");
    }
}

#[tokio::test]
async fn a_removal_by_the_empty_text_is_admitted() {
    let world = World::new("policy-empty").await;
    let mut register = World::record("greeter", &world.own_id("greeter"), "10.1.0.112:8080");
    register["metadata"]["labels"] = json!({ "micro.mu/selector-greeter": "service" });
    world.admits(&register).await;
    let remove = json!({ "metadata": {
        "labels": { "micro.mu/selector-greeter": "" },
        "annotations": { "micro.mu/service-greeter": "" },
    } });
    world.admits(&remove).await;
    world
        .admits(&label("micro.mu/selector-greeter", None))
        .await;
}
