//! The files of k8s/registry, as they are published.

use kube::Api;
use kube::api::{Patch, PatchParams};
use serde_json::{Value, json};
use testkit::cluster::{GoClient, IP, Identity, Namespace, ROLE};
use testkit::greeter::Greeter;
use testkit::within;
use tokio::time::{Duration, sleep};

use crate::rig::{Sidecar, documented};

/// The label of namespaces in which the policy applies.
pub const OWN_POD_ONLY: &str = "micro-health/own-pod-only";

/// Creates a namespace with two pods of one account, which has no permission yet.
async fn two_pods(prefix: &str) -> (Namespace, Identity) {
    let namespace = Namespace::fresh(prefix).await;
    namespace.account("greeter", &[], &[]).await;
    namespace.running_pod("greeter-0", "greeter", IP).await;
    namespace.running_pod("other-0", "greeter", IP).await;
    let identity = namespace.identity("greeter-0").await;
    (namespace, identity)
}

/// Registers and deregisters.
async fn registers_and_deregisters(identity: &Identity) -> String {
    let mut greeter = Greeter::reserve();
    greeter.start();
    let mut sidecar = Sidecar::start(identity, greeter.address(), &[]).await;
    sidecar.is("registered").await;
    assert!(sidecar.terminate().await.success());
    sidecar.log()
}

#[tokio::test]
async fn the_role_suffices() {
    let (namespace, identity) = two_pods("role").await;
    documented::apply("registry/role.yaml", &namespace, "greeter").await;
    namespace.permissions_take_effect("greeter", &ROLE).await;
    assert!(
        !registers_and_deregisters(&identity)
            .await
            .contains("forbidden")
    );
    assert_eq!(GoClient::new("v4c", &identity).list().await, Ok(vec![]));
}

#[tokio::test]
async fn the_smaller_role_suffices_to_register() {
    let (namespace, identity) = two_pods("small-role").await;
    documented::apply("registry/role-get-patch.yaml", &namespace, "greeter").await;
    namespace
        .permissions_take_effect("greeter", &["get", "patch"])
        .await;
    assert!(
        registers_and_deregisters(&identity)
            .await
            .contains("The watch is forbidden; reading the pod at each interval instead")
    );
}

/// Applies the policy, and waits until it takes effect.
pub async fn own_pods_only(namespace: &Namespace, token: &str) {
    documented::apply("registry/admission-policy.yaml", namespace, "greeter").await;
    takes_effect(namespace, token).await;
}

/// Waits until the policy applies to this token: it may not change another pod.
pub async fn takes_effect(namespace: &Namespace, token: &str) {
    within("the policy to hold", async {
        let patch = json!({ "metadata": { "annotations": { "somebody/else": "wrote" } } });
        while change(namespace, token, "other-0", &patch).await.is_ok() {
            sleep(Duration::from_millis(50)).await;
        }
    })
    .await;
}

#[tokio::test]
async fn the_policy_lets_a_pod_change_its_own_registration_and_nothing_else() {
    let (namespace, identity) = two_pods("policy").await;
    documented::apply("registry/role.yaml", &namespace, "greeter").await;
    namespace.permissions_take_effect("greeter", &ROLE).await;
    let token = namespace.token("greeter-0").await;
    own_pods_only(&namespace, &token).await;

    assert!(
        !registers_and_deregisters(&identity)
            .await
            .contains("denied")
    );
    let go = GoClient::new("v4c", &identity);
    assert_eq!(go.register("itself").await, Ok(()));
    assert_eq!(go.deregister("itself").await, Ok(()));

    let registration =
        json!({ "metadata": { "annotations": { "micro.mu/service-greeter": "{}" } } });
    let image = json!({ "spec": { "containers": [{ "name": "app", "image": "evil" }] } });
    let finalizer = json!({ "metadata": { "finalizers": ["example.com/stay"] } });
    let label = json!({ "metadata": { "labels": { "app": "bank" } } });
    let annotation =
        json!({ "metadata": { "annotations": { "micro": null, "example.com/x": "y" } } });
    for (pod, patch, why) in [
        ("greeter-0", &registration, None),
        (
            "other-0",
            &registration,
            Some("only the pod that its token was made for"),
        ),
        (
            "greeter-0",
            &image,
            Some("nothing of its pod but labels and annotations"),
        ),
        (
            "greeter-0",
            &finalizer,
            Some("nothing of its pod but labels and annotations"),
        ),
        (
            "greeter-0",
            &label,
            Some("no labels of its pod but the registry's"),
        ),
        (
            "greeter-0",
            &annotation,
            Some("no annotations of its pod but the registry's"),
        ),
    ] {
        let answer = change(&namespace, &token, pod, patch).await;
        match (why, answer) {
            (None, answer) => assert_eq!(answer, Ok(()), "{patch}"),
            (Some(why), answer) => {
                let refusal = answer.expect_err(&patch.to_string());
                assert!(refusal.contains(why), "{patch}: {refusal}");
            }
        }
    }
    // The policy is not meant for people and other programs without a pod.
    namespace.patch_pod("other-0", label).await;
}

/// Patches a pod with a token.
async fn change(
    namespace: &Namespace,
    token: &str,
    pod: &str,
    patch: &Value,
) -> Result<(), String> {
    let pods: Api<k8s_openapi::api::core::v1::Pod> =
        Api::namespaced(namespace.api.client(token), &namespace.name);
    let patch = Patch::Strategic(patch);
    let params = PatchParams::default();
    let answer = within("an answer", pods.patch(pod, &params, &patch)).await;
    answer.map(drop).map_err(|error| error.to_string())
}
