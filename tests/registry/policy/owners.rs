//! `managedFields`, which say who manages which field: a write may not take a field from another
//! manager.

use serde_json::{Value, json};

use testkit::cluster::ADMIN_TOKEN;

use super::world::{APPLY, JSON, MERGE, World, annotation, refused};

const WHY: &str = "may not change who manages the other fields";

#[tokio::test]
async fn managed_fields_may_not_be_reset() {
    let world = World::new("policy-owners").await;
    for fields in [json!([{}]), json!([])] {
        let patch = json!({ "metadata": { "managedFields": fields } });
        let path = "pods/greeter-0?dryRun=All";
        let answer = world.send(&world.token, MERGE, path, &patch).await;
        let owners = |answer: &Value| answer["metadata"]["managedFields"].clone();
        match answer {
            // An empty list is no reset to this server.
            Ok(answer) if fields == json!([]) => {
                let before = world.namespace.pod("greeter-0").await.unwrap();
                let before = serde_json::to_value(&before).unwrap();
                assert_eq!(owners(&answer), owners(&before));
            }
            answer => refused(answer, WHY, &fields.to_string()),
        }
    }
}

#[tokio::test]
async fn a_manager_may_not_be_renamed_robbed_or_invented() {
    let world = World::new("policy-robbed").await;
    let pod = world.namespace.pod("greeter-0").await.unwrap();
    let pod = serde_json::to_value(&pod).unwrap();
    let entries = pod["metadata"]["managedFields"].as_array().unwrap();
    let is_status = |entry: &&Value| entry["subresource"] == "status";
    let status = entries.iter().position(|it| is_status(&it)).unwrap();
    let spec = |entry: &Value| entry["fieldsV1"].get("f:spec").is_some();
    let spec = entries.iter().position(spec).unwrap();
    let at = |index: usize, field: &str| format!("/metadata/managedFields/{index}/{field}");
    let mut invented = entries[spec].clone();
    invented["manager"] = "evil".into();
    for operation in [
        json!({ "op": "replace", "path": at(status, "manager"), "value": "evil" }),
        json!({ "op": "remove", "path": at(status, "fieldsV1/f:status/f:phase") }),
        json!({ "op": "remove", "path": at(spec, "fieldsV1/f:spec") }),
        json!({ "op": "remove", "path": format!("/metadata/managedFields/{spec}") }),
        json!({ "op": "add", "path": "/metadata/managedFields/-", "value": invented }),
    ] {
        let path = "pods/greeter-0?dryRun=All";
        let answer = world
            .send(&world.token, JSON, path, &json!([operation]))
            .await;
        refused(answer, WHY, &operation.to_string());
    }
}

#[tokio::test]
async fn a_pod_with_many_managers_can_be_registered() {
    let world = World::new("policy-managers").await;
    let record = World::record("greeter", &world.own_id("greeter"), "10.1.0.112:8080");
    for number in 0..14 {
        let note = annotation(&format!("example.com/{number}"), "written");
        let path = format!("pods/greeter-0?fieldManager=manager-{number}");
        world.send(ADMIN_TOKEN, MERGE, &path, &note).await.unwrap();
        let path = "pods/greeter-0?dryRun=All&fieldManager=sidecar";
        let answer = world.send(&world.token, MERGE, path, &record).await;
        answer.unwrap_or_else(|why| panic!("{number}: {why}"));
    }
    // Kubernetes has merged entries.
    let pod = world.namespace.pod("greeter-0").await.unwrap();
    let entries = pod.metadata.managed_fields.unwrap();
    let mut managers = entries.iter().filter_map(|it| it.manager.as_deref());
    assert!(managers.any(|it| it == "ancient-changes"), "{entries:?}");

    // Server-side apply is defended nevertheless.
    let applied = json!({
        "apiVersion": "v1", "kind": "Pod",
        "metadata": { "name": "greeter-0", "labels": { "team": "shop" } },
    });
    let path = "pods/greeter-0?fieldManager=gitops";
    let answer = world.send(ADMIN_TOKEN, APPLY, path, &applied).await;
    answer.unwrap();
    let reset = json!({ "metadata": { "managedFields": [{}] } });
    let path = "pods/greeter-0?dryRun=All";
    let answer = world.send(&world.token, MERGE, path, &reset).await;
    refused(answer, WHY, "a reset");
}
