//! The content of a record: its name, and the address and the id of its nodes.

use serde_json::json;

use super::world::{ANY_ADDRESS, ANY_NODE_ID, World, annotation};

pub const FORM: &str = "the record must be the JSON of a go-micro service";
const NAME: &str = "the name in the record must be the name in its key";
pub const ADDRESS: &str = "a node's address must be an IP of the pod";
const ID: &str = "a node's id must be the service's name, a dash and the pod's uid";
const SERVICES: &str = "micro-health/services does not name this service";

#[tokio::test]
async fn a_node_has_an_address_of_the_pod() {
    let world = World::new("policy-address").await;
    let both = json!({ "podIPs": [{ "ip": "10.1.0.112" }, { "ip": "fd00:1::70" }] });
    world.namespace.report("greeter-0", both).await;
    let record = |address: &str| World::record("greeter", &world.own_id("greeter"), address);
    for address in [
        "10.1.0.112:8080",
        "10.1.0.112:1",
        "10.1.0.112",
        "[fd00:1::70]:8080",
        "[fd00:1::70]",
        "fd00:1::70",
    ] {
        world.admits(&record(address)).await;
    }
    for address in [
        "10.1.0.113:8080",
        "10.1.0.11:8080",
        "10.1.0.1120:8080",
        "10x1.0.112:8080",
        "10.1.0.112:8080,10.1.0.113:8080",
        "10.1.0.112:8080@10.1.0.113:8080",
        "10.1.0.112:",
        "10.1.0.112:123456",
        "10.1.0.112.example.com:8080",
        "[fd00:1::71]:8080",
        "fd00:1::70:8080",
        "[10.1.0.112]:8080",
        "bank:8080",
        ":8080",
        "",
        r"1\u0030.1.0.112:8080",
        r"10.1.0.113:8080\",
        r#"\",\"address\":\"10.1.0.112:8080"#,
    ] {
        let answer = world.try_patch("greeter-0", &record(address)).await;
        let refusal = answer.expect_err(address);
        let is_broken = refusal.contains(FORM);
        assert!(
            refusal.contains(ADDRESS) || is_broken,
            "{address}: {refusal}"
        );
    }
    world
        .leave_out(ANY_ADDRESS, &record("203.0.113.9:443"))
        .await;
    // Everything else holds.
    let other = World::record("greeter", "greeter-1", "203.0.113.9:443");
    world.refuses(&other, ID).await;
}

#[tokio::test]
async fn a_pod_without_an_address_has_no_node() {
    let world = World::new("policy-no-address").await;
    let none = json!({ "podIP": null, "podIPs": null });
    world.namespace.report("greeter-0", none).await;
    for address in ["10.1.0.112:8080", ""] {
        let record = World::record("greeter", &world.own_id("greeter"), address);
        world.refuses(&record, ADDRESS).await;
    }
}

#[tokio::test]
async fn a_node_has_the_id_of_the_pod() {
    let world = World::new("policy-id").await;
    let record = |name: &str, id: &str| World::record(name, id, "10.1.0.112:8080");
    let other = world.namespace.pod("other-0").await.unwrap();
    let other = other.metadata.uid.unwrap();
    world
        .admits(&record("greeter", &world.own_id("greeter")))
        .await;
    for id in [
        format!("greeter-{other}"),
        "greeter-11111111-2222-3333-4444-555555555555".to_owned(),
        world.own_id("bank"),
        world.uid.clone(),
        format!("{}-2", world.own_id("greeter")),
        String::new(),
        format!(r"\u0067reeter-{}", world.uid),
    ] {
        world.refuses(&record("greeter", &id), ID).await;
    }
    let plugins = record("greeter", "greeter-11111111-2222-3333-4444-555555555555");
    world.leave_out(ANY_NODE_ID, &plugins).await;
    let elsewhere = World::record("greeter", &format!("greeter-{other}"), "10.1.0.113:8080");
    world.refuses(&elsewhere, ADDRESS).await;
}

#[tokio::test]
async fn the_sidecars_node_can_be_taken_out_of_a_record_of_others() {
    let world = World::new("policy-shared").await;
    let node = |id: &str, ip: &str| format!(r#"{{"id":"{id}","address":"{ip}:8080"}}"#);
    let record = |nodes: &[&str]| {
        let nodes = nodes.join(",");
        let text = format!(
            r#"{{"name":"greeter","version":"latest","metadata":null,"endpoints":[],"nodes":[{nodes}]}}"#
        );
        annotation("micro.mu/service-greeter", &text)
    };
    let own = node(&world.own_id("greeter"), "10.1.0.112");
    let theirs = node("greeter-1", "10.1.0.113");
    let both = record(&[&theirs, &own]);
    world.namespace.patch_pod("greeter-0", both.clone()).await;
    world.admits(&record(&[&theirs])).await;
    world.admits(&both).await;
    for id in ["greeter-2", "greeter-1"] {
        let more = node(id, "10.1.0.112");
        world.refuses(&record(&[&theirs, &more]), ID).await;
    }
    let more = node(&world.own_id("greeter"), "10.1.0.113");
    world.refuses(&record(&[&theirs, &more]), ADDRESS).await;
    // A node that is gone does not come back.
    world.admits(&record(&[&own])).await;
    let answer = world.try_patch("greeter-0", &both).await;
    let refusal = answer.unwrap_err();
    assert!(
        refusal.contains(ID) || refusal.contains(ADDRESS),
        "{refusal}"
    );
}

#[tokio::test]
async fn the_name_is_that_of_the_key() {
    let world = World::new("policy-name").await;
    let record = |key: &str, name: &str| {
        let record = World::record(name, &world.own_id(name), "10.1.0.112:8080");
        let text = &record["metadata"]["annotations"][format!("micro.mu/service-{name}")];
        annotation(key, text.as_str().unwrap())
    };
    for (key, name) in [
        (
            "micro.mu/service-go.micro.srv.greeter",
            "go.micro.srv.greeter",
        ),
        ("micro.mu/service-shop_greeter", "shop/greeter"),
        ("micro.mu/service-shop_greeter", "shop_greeter"),
        ("go.micro/shop_greeter", "shop:greeter"),
    ] {
        world.admits(&record(key, name)).await;
    }
    for (key, name) in [
        ("micro.mu/service-greeter", "bank"),
        ("micro.mu/service-greeter", "greeter2"),
        ("micro.mu/service-shop.greeter", "shop-greeter"),
        ("micro.mu/service-shop_greeter", "shop-greeter"),
        ("go.micro/greeter", "service-greeter"),
    ] {
        world.refuses(&record(key, name), NAME).await;
    }
}

#[tokio::test]
async fn an_annotation_of_the_pod_limits_the_names() {
    let world = World::new("policy-services").await;
    let limit = annotation("micro-health/services", "greeter, go.micro.srv.hello");
    world.namespace.patch_pod("greeter-0", limit).await;
    let record = |name: &str| World::record(name, &world.own_id(name), "10.1.0.112:8080");
    let mut greeter = record("greeter");
    greeter["metadata"]["labels"] =
        json!({ "micro.mu/type": "service", "micro.mu/selector-greeter": "service" });
    greeter["metadata"]["annotations"]["registration.micro-health/greeter"] = "{}".into();
    world.admits(&greeter).await;
    world.admits(&record("go.micro.srv.hello")).await;
    let selector = |key: &str| json!({ "metadata": { "labels": { key: "service" } } });
    for patch in [
        record("bank"),
        selector("micro.mu/selector-bank"),
        selector("go.micro/bank"),
        annotation("registration.micro-health/bank", "{}"),
        record("greete"),
    ] {
        world.refuses(&patch, SERVICES).await;
    }
    // A removal is admitted whatever the annotation says by now.
    let limit = annotation("micro-health/services", "other");
    world.namespace.patch_pod("greeter-0", limit).await;
    let remove = json!({ "metadata": {
        "labels": { "micro.mu/selector-greeter": null },
        "annotations": { "micro.mu/service-greeter": null },
    } });
    world.admits(&remove).await;
}
