//! The subresources of a pod, which no registry uses.

use serde_json::{Value, json};

use super::world::{JSON, MERGE, PUT, STRATEGIC, World, refused};

const WHY: &str = "may use no subresource";

#[tokio::test]
async fn no_subresource_may_be_used() {
    let world = World::new("policy-subresources").await;
    let ephemeral = json!({ "spec": { "ephemeralContainers": [
        { "name": "evil", "image": "evil", "terminationMessagePolicy": "File" },
    ] } });
    let status = json!({ "status": { "podIPs": [{ "ip": "10.1.0.113" }] } });
    let operations = json!([{ "op": "replace", "path": "/status/phase", "value": "Failed" }]);
    let pod = world.namespace.pod("greeter-0").await.unwrap();
    let mut whole = serde_json::to_value(&pod).unwrap();
    whole["status"]["phase"] = "Failed".into();
    for (subresource, kind, body) in [
        ("status", STRATEGIC, &status),
        ("status", MERGE, &status),
        ("status", JSON, &operations),
        ("status", PUT, &whole),
        ("ephemeralcontainers", STRATEGIC, &ephemeral),
        // The pod has no resources that could change. The policy is asked nevertheless.
        ("resize", STRATEGIC, &json!({})),
    ] {
        let path = format!("pods/greeter-0/{subresource}?dryRun=All");
        let answer = world.send(&world.token, kind, &path, body).await;
        refused(answer, WHY, subresource);
    }
    let object = |kind: &str, version: &str| -> Value {
        json!({
            "apiVersion": version, "kind": kind, "metadata": { "name": "greeter-0" },
            "target": { "kind": "Node", "name": "node-2" },
        })
    };
    let eviction = json!({
        "apiVersion": "policy/v1", "kind": "Eviction", "metadata": { "name": "greeter-0" },
    });
    let binding = object("Binding", "v1");
    for (path, body) in [
        ("pods/greeter-0/eviction?dryRun=All", &eviction),
        ("pods/greeter-0/binding?dryRun=All", &binding),
        ("bindings?dryRun=All", &binding),
        ("pods/greeter-0/exec?command=sh&stdout=true", &Value::Null),
        ("pods/greeter-0/attach?stdout=true", &Value::Null),
    ] {
        let answer = world.post(&world.token, path, body).await;
        refused(answer, WHY, path);
    }
}
