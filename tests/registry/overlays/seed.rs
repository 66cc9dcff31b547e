//! The manifests that the README of micro/kubernetes published, unchanged, and the overlay made
//! of them.

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

/// Returns a file of the overlay.
fn ours(name: &str) -> Value {
    let path = k8s().join("overlays/seed-compat").join(name);
    only(&fs::read_to_string(path).expect("a manifest must be readable"))
}

#[tokio::test]
async fn the_server_refuses_the_published_manifest_without_a_selector() {
    let server = ControlPlane::shared().await;
    // The namespace is created after the server is ready.
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
fn the_overlay_is_the_published_manifest_and_a_selector() {
    let mut deployment = ours("greeter.yaml");
    let spec = deployment["spec"].as_object_mut().unwrap();
    let selector = spec.remove("selector");
    let expected = json!({ "matchLabels": { "app": "greeter-srv" } });
    assert_eq!(selector, Some(expected));
    assert_eq!(deployment, only(DEPLOYMENT));
    assert_eq!(ours("service.yaml"), only(SERVICE));
}

#[tokio::test]
async fn the_overlay_changes_only_the_published_image() {
    let overlay = Overlay::named("seed-compat").await;
    let mut deployment = overlay.of_kind("Deployment")[0].clone();
    let image = &mut deployment["spec"]["template"]["spec"]["containers"][1]["image"];
    assert_eq!(*image, "health:latest");
    *image = json!("microhq/health:kubernetes");
    assert_eq!(deployment, ours("greeter.yaml"));
    assert_eq!(*overlay.of_kind("Service")[0], ours("service.yaml"));
    assert_eq!(overlay.documents.len(), 2);
}
