//! The manifests that the README of micro/kubernetes published, to the letter, and what is left of them today.

use std::fs;

use serde_json::{Value, json};
use testkit::cluster::ControlPlane;

use super::overlay::{Overlay, documents, k8s};

const DEPLOYMENT: &str = include_str!("seed/greeter.yaml");
const SERVICE: &str = include_str!("seed/service.yaml");

const APPLY: [&str; 3] = ["apply", "--dry-run=server", "--filename=-"];

fn only(yaml: &str) -> Value {
    let [document] = &documents(yaml)[..] else {
        panic!("not one document: {yaml}")
    };
    document.clone()
}

/// A file of the overlay, as it stands there.
fn ours(name: &str) -> Value {
    let path = k8s().join("overlays/seed-compat").join(name);
    only(&fs::read_to_string(path).expect("a manifest must be readable"))
}

#[tokio::test]
async fn the_server_refuses_what_was_published_for_want_of_a_selector() {
    let server = ControlPlane::shared().await;
    // A server makes it when it is ready already.
    let wait = ["wait", "--for=create", "--timeout=15s", "namespace/default"];
    server
        .kubectl(&wait, "")
        .await
        .expect("there must be a default namespace");
    let refusal = server.kubectl(&APPLY, DEPLOYMENT).await.unwrap_err();
    let why = [
        "The Deployment \"greeter\" is invalid",
        "spec.selector: Required value",
        "spec.template.metadata.labels: Invalid value: {\"app\":\"greeter-srv\"}: `selector` does not match template `labels`",
    ];
    for why in why {
        assert!(refusal.contains(why), "{refusal}");
    }
    let others = refusal.matches("spec.").count();
    assert_eq!(others, 2, "nothing else may be wrong: {refusal}");
    server
        .kubectl(&APPLY, SERVICE)
        .await
        .expect("the Service is still one");
}

#[test]
fn the_overlay_is_what_was_published_and_a_selector() {
    let mut deployment = ours("greeter.yaml");
    let spec = deployment["spec"].as_object_mut().unwrap();
    let selector = spec.remove("selector");
    let expected = json!({ "matchLabels": { "app": "greeter-srv" } });
    assert_eq!(selector, Some(expected));
    assert_eq!(deployment, only(DEPLOYMENT));
    assert_eq!(ours("service.yaml"), only(SERVICE));
}

#[tokio::test]
async fn of_what_was_published_only_the_image_is_ours() {
    let overlay = Overlay::named("seed-compat").await;
    let mut deployment = overlay.of_kind("Deployment")[0].clone();
    let image = &mut deployment["spec"]["template"]["spec"]["containers"][1]["image"];
    assert_eq!(*image, "health:latest");
    *image = json!("microhq/health:kubernetes");
    assert_eq!(deployment, ours("greeter.yaml"));
    assert_eq!(*overlay.of_kind("Service")[0], ours("service.yaml"));
    assert_eq!(overlay.documents.len(), 2);
}
