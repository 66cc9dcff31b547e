//! The admission of each overlay in a namespace with a pod security level.

use serde_json::{Value, json};
use testkit::cluster::{KubectlOutput, Namespace};

use super::overlay::Overlay;
use super::pod_monitor;

/// The levels of pod security, the strictest first.
const LEVELS: [&str; 3] = ["restricted", "baseline", "privileged"];

/// Returns the strictest level that admits an overlay's pod.
fn level(overlay: &Overlay) -> &'static str {
    match &*overlay.name {
        // Only this level allows the node's network.
        "host-network" => "privileged",
        // The published containers may become root.
        "seed-compat" => "baseline",
        _ => "restricted",
    }
}

/// Creates a namespace with this level, which warns about a Deployment and refuses its pod.
pub async fn at_level(level: &str) -> Namespace {
    let enforce = ("pod-security.kubernetes.io/enforce", level);
    let warn = ("pod-security.kubernetes.io/warn", level);
    Namespace::labelled("overlay", &[enforce, warn]).await
}

/// Validates all objects of an overlay by the server, and then its pod, which a controller would
/// create.
async fn validate(overlay: &Overlay, namespace: &Namespace) -> KubectlOutput {
    let folder = overlay.in_namespace(&namespace.name);
    let folder = folder.path().to_str().expect("a path must be text");
    let apply = [
        "apply",
        "--dry-run=server",
        "--warnings-as-errors",
        "--kustomize",
    ];
    namespace
        .kubectl(&[&apply[..], &[folder]].concat(), "")
        .await?;
    validate_pod(&overlay.pod(), namespace).await
}

/// Validates a pod by the server.
pub async fn validate_pod(pod: &Value, namespace: &Namespace) -> KubectlOutput {
    let create = ["create", "--dry-run=server", "--filename=-"];
    namespace.kubectl(&create, &pod.to_string()).await
}

#[tokio::test]
async fn the_server_admits_each_overlay_at_its_strictest_level() {
    pod_monitor::define().await;
    for overlay in Overlay::all().await {
        let level = level(overlay);
        let outcome = validate(overlay, &at_level(level).await).await;
        outcome.unwrap_or_else(|why| panic!("{}: {why}", overlay.name));

        let stricter = LEVELS.iter().take_while(|it| **it != level).last();
        if let Some(stricter) = stricter {
            let namespace = at_level(stricter).await;
            let refusal = validate_pod(&overlay.pod(), &namespace).await.unwrap_err();
            let why = format!("violates PodSecurity \"{stricter}:latest\"");
            assert!(refusal.contains(&why), "{}: {refusal}", overlay.name);
        }
    }
}

#[tokio::test]
async fn an_unknown_field_is_refused() {
    let namespace = at_level("restricted").await;
    let mut pod = Overlay::named("base").await.pod();
    pod["spec"]["containers"][0]["livenessProb"] = json!({});
    let refusal = validate_pod(&pod, &namespace).await.unwrap_err();
    assert!(
        refusal.contains("unknown field \"spec.containers[0].livenessProb\""),
        "{refusal}"
    );
}
