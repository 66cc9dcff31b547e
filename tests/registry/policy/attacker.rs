//! The changes of a pod that a registry does not make, in every form of a write.

use serde_json::{Value, json};

use super::world::{APPLY, JSON, MERGE, PUT, STRATEGIC, World, annotation, label, refused};

const NOTHING_ELSE: &str = "may change nothing of its pod but labels and annotations";
const LABELS: &str = "may change no labels of its pod but the registry's";
const ANNOTATIONS: &str = "may change no annotations of its pod but the registry's";
const VALUE: &str = "the value of a registry's label must be";

#[tokio::test]
async fn only_the_registrys_keys_may_change() {
    let world = World::new("policy-keys").await;
    let refusals = [
        (json!({ "metadata": { "labels": null } }), LABELS),
        (label("app", None), LABELS),
        (label("app", Some("bank")), LABELS),
        (label("micro.mu/other", Some("service")), LABELS),
        (label("micro.mu", Some("service")), LABELS),
        (label("xmicro.mu/type", Some("service")), LABELS),
        (label("registration.micro-health/a", Some("x")), LABELS),
        (label("micro", Some("anything")), VALUE),
        (label("micro.mu/type", Some("bank")), VALUE),
        (label("micro.mu/selector-greeter", Some("Service")), VALUE),
        (label("go.micro/greeter", Some("x")), VALUE),
        (json!({ "metadata": { "annotations": null } }), ANNOTATIONS),
        (annotation("example.com/x", "y"), ANNOTATIONS),
        (annotation("micro-health/registration", "{}"), ANNOTATIONS),
        (annotation("micro-health/services", "bank"), ANNOTATIONS),
        (annotation("micro.mu/type", "service"), ANNOTATIONS),
        (
            json!({ "metadata": { "annotations": { "example.com/note": null } } }),
            ANNOTATIONS,
        ),
    ];
    for (patch, why) in refusals {
        world.refuses(&patch, why).await;
    }
}

#[tokio::test]
async fn a_label_of_another_meaning_stays() {
    let world = World::new("policy-meaning").await;
    let operators = label("micro", Some("bank"));
    world.namespace.patch_pod("greeter-0", operators).await;
    for value in [None, Some(""), Some("service")] {
        world.refuses(&label("micro", value), VALUE).await;
    }
    world.admits(&label("micro.mu/type", Some("service"))).await;
}

#[tokio::test]
async fn no_field_but_labels_and_annotations_may_change() {
    let world = World::new("policy-fields").await;
    let owner = json!({
        "apiVersion": "apps/v1", "kind": "ReplicaSet", "name": "bank",
        "uid": "11111111-2222-3333-4444-555555555555",
    });
    let spec = |spec: Value| json!({ "spec": spec });
    let metadata = |metadata: Value| json!({ "metadata": metadata });
    for patch in [
        spec(json!({ "containers": [{ "name": "app", "image": "evil" }] })),
        spec(json!({ "activeDeadlineSeconds": 1 })),
        spec(json!({ "tolerations": [{ "key": "maintenance", "operator": "Exists" }] })),
        metadata(json!({ "ownerReferences": [owner] })),
        metadata(json!({ "finalizers": ["example.com/more"] })),
        metadata(json!({ "$deleteFromPrimitiveList/finalizers": ["example.com/stay"] })),
        metadata(json!({ "generateName": "bank-" })),
    ] {
        world.refuses(&patch, NOTHING_ELSE).await;
    }
}

#[tokio::test]
async fn every_form_of_a_write_is_refused() {
    let world = World::new("policy-forms").await;
    let pod = world.namespace.pod("greeter-0").await.unwrap();
    let before = pod.metadata.resource_version.clone();
    let mut whole = serde_json::to_value(&pod).unwrap();
    whole["metadata"]["labels"]["app"] = "bank".into();
    let merged = json!({ "metadata": { "labels": { "app": "bank" } } });
    let operations = json!([{ "op": "replace", "path": "/metadata/labels/app", "value": "bank" }]);
    let applied = json!({
        "apiVersion": "v1", "kind": "Pod",
        "metadata": { "name": "greeter-0", "labels": { "app": "bank" } },
    });
    for (kind, body) in [
        (STRATEGIC, &merged),
        (MERGE, &merged),
        (JSON, &operations),
        (APPLY, &applied),
        (PUT, &whole),
    ] {
        let query = if kind == APPLY {
            "?fieldManager=evil&force=true"
        } else {
            ""
        };
        let path = format!("pods/greeter-0{query}");
        let answer = world.send(&world.token, kind, &path, body).await;
        refused(answer, LABELS, kind);
    }
    let pod = world.namespace.pod("greeter-0").await.unwrap();
    assert_eq!(pod.metadata.resource_version, before);

    // A registration is admitted in each form.
    let record = World::record("greeter", &world.own_id("greeter"), "10.1.0.112:8080");
    let text = &record["metadata"]["annotations"]["micro.mu/service-greeter"];
    let operations = json!([{
        "op": "add", "path": "/metadata/annotations/micro.mu~1service-greeter", "value": text,
    }]);
    let mut applied = record.clone();
    applied["apiVersion"] = "v1".into();
    applied["kind"] = "Pod".into();
    applied["metadata"]["name"] = "greeter-0".into();
    let mut whole = serde_json::to_value(&pod).unwrap();
    whole["metadata"]["annotations"]["micro.mu/service-greeter"] = text.clone();
    for (kind, body) in [
        (STRATEGIC, &record),
        (MERGE, &record),
        (JSON, &operations),
        (APPLY, &applied),
        (PUT, &whole),
    ] {
        let query = if kind == APPLY {
            "&fieldManager=mesh"
        } else {
            ""
        };
        let path = format!("pods/greeter-0?dryRun=All{query}");
        let answer = world.send(&world.token, kind, &path, body).await;
        answer.unwrap_or_else(|why| panic!("{kind}: {why}"));
    }
}
