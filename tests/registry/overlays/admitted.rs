//! Each of them shown to the server, in a namespace that refuses what is not secure enough.

use serde_json::{Value, json};
use testkit::cluster::{KubectlOutput, Namespace};

use super::overlay::Overlay;
use super::pod_monitor;

/// The levels of pod security, the strictest first.
const LEVELS: [&str; 3] = ["restricted", "baseline", "privileged"];

/// The strictest level that admits an overlay's pod.
fn level(overlay: &Overlay) -> &'static str {
    match &*overlay.name {
        // The node's network is out of bounds for every other level.
        "host-network" => "privileged",
        // As published, the containers may become root.
        "seed-compat" => "baseline",
        _ => "restricted",
    }
}

/// A namespace with this level, about which a Deployment is warned and which refuses its pod.
pub async fn at_level(level: &str) -> Namespace {
    let enforce = ("pod-security.kubernetes.io/enforce", level);
    let warn = ("pod-security.kubernetes.io/warn", level);
    Namespace::labelled("overlay", &[enforce, warn]).await
}

/// Shows the server all of an overlay, and then its pod, which a controller would make.
async fn show(overlay: &Overlay, namespace: &Namespace) -> KubectlOutput {
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
    show_pod(&overlay.pod(), namespace).await
}

/// Shows the server a pod alone.
pub async fn show_pod(pod: &Value, namespace: &Namespace) -> KubectlOutput {
    let create = ["create", "--dry-run=server", "--filename=-"];
    namespace.kubectl(&create, &pod.to_string()).await
}

#[tokio::test]
async fn the_server_takes_each_of_them_at_the_strictest_level_that_it_can_have() {
    pod_monitor::are_known().await;
    for overlay in Overlay::all().await {
        let level = level(overlay);
        let shown = show(overlay, &at_level(level).await).await;
        shown.unwrap_or_else(|why| panic!("{}: {why}", overlay.name));

        let stricter = LEVELS.iter().take_while(|it| **it != level).last();
        if let Some(stricter) = stricter {
            let namespace = at_level(stricter).await;
            let refusal = show_pod(&overlay.pod(), &namespace).await.unwrap_err();
            let why = format!("violates PodSecurity \"{stricter}:latest\"");
            assert!(refusal.contains(&why), "{}: {refusal}", overlay.name);
        }
    }
}

#[tokio::test]
async fn a_field_that_does_not_exist_is_refused() {
    let namespace = at_level("restricted").await;
    let mut pod = Overlay::named("base").await.pod();
    pod["spec"]["containers"][0]["livenessProb"] = json!({});
    let refusal = show_pod(&pod, &namespace).await.unwrap_err();
    assert!(
        refusal.contains("unknown field \"spec.containers[0].livenessProb\""),
        "{refusal}"
    );
}
