//! The writes of a registry, which the policies admit.

use serde_json::{Value, json};
use testkit::cluster::{GoClient, RELEASES};

use super::world::{ANY_NODE_ID, World, label};

/// Returns the annotations of the sidecar's registration: the record and its mark.
fn announced(world: &World, is_announced: bool) -> Value {
    let mut patch = World::record("greeter", &world.own_id("greeter"), "10.1.0.112:8080");
    let mark = json!({
        "v": 1, "nodes": [world.own_id("greeter")], "keys": [], "announced": is_announced,
    });
    patch["metadata"]["annotations"]["registration.micro-health/greeter"] = mark.to_string().into();
    patch["metadata"]["uid"] = world.uid.clone().into();
    patch
}

/// Writes what the sidecar writes to register, announce, repair and deregister, in both schemes.
pub async fn registers_and_deregisters(world: &World) {
    let mut register = announced(world, false);
    register["metadata"]["labels"] = json!({
        "micro.mu/type": "service",
        "micro.mu/selector-greeter": "service",
        "micro": "service",
        "go.micro/greeter": "service",
    });
    let record = &register["metadata"]["annotations"]["micro.mu/service-greeter"];
    register["metadata"]["annotations"]["go.micro/greeter"] = record.clone();
    world.admits(&register).await;
    world.admits(&announced(world, true)).await;
    // The same again, as after a drift.
    world.admits(&announced(world, true)).await;
    let deregister = json!({ "metadata": {
        "uid": world.uid,
        "labels": {
            "micro.mu/type": null, "micro.mu/selector-greeter": null,
            "micro": null, "go.micro/greeter": null,
        },
        "annotations": {
            "micro.mu/service-greeter": null, "go.micro/greeter": null,
            "registration.micro-health/greeter": null,
        },
    } });
    world.admits(&deregister).await;
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
