//! The pods that a token may not change, and the tokens that may change none.

use k8s_openapi::api::core::v1::Pod;
use serde_json::json;
use testkit::cluster::{IP, Namespace};
use testkit::{LOOK_AGAIN, within};
use tokio::time::sleep;

use super::world::{STRATEGIC, World, annotation, label, refused};
use crate::rig::documented;

const OWN_POD: &str = "may change only the pod that its token was made for";

#[tokio::test]
async fn another_pod_of_the_account_is_refused() {
    let world = World::new("policy-other").await;
    let other = world.namespace.pod("other-0").await.unwrap();
    let its_id = format!("greeter-{}", other.metadata.uid.unwrap());
    for patch in [
        World::record("greeter", &its_id, "10.1.0.113:8080"),
        label("micro.mu/type", Some("service")),
        json!({}),
    ] {
        let answer = world.try_patch("other-0", &patch).await;
        refused(answer, OWN_POD, &patch.to_string());
    }
}

#[tokio::test]
async fn a_pod_that_replaced_the_tokens_pod_is_refused() {
    let world = World::new("policy-replaced").await;
    // The token goes on for a while, because the API server caches that its pod is there.
    let drop = json!({ "metadata": { "finalizers": null } });
    world.namespace.patch_pod("greeter-0", drop).await;
    world.namespace.remove_pod("greeter-0").await;
    let pod: Pod = world
        .namespace
        .running_pod("greeter-0", "greeter", IP)
        .await;
    assert_ne!(pod.metadata.uid.as_deref(), Some(&*world.uid));
    let patch = label("micro.mu/type", Some("service"));
    let refusal = world.try_patch("greeter-0", &patch).await.unwrap_err();
    assert!(
        refusal.contains(OWN_POD) || refusal.contains("Unauthorized"),
        "{refusal}"
    );
}

#[tokio::test]
async fn a_token_without_a_pod_is_refused() {
    let world = World::new("policy-unbound").await;
    let namespace = &world.namespace;
    let bound_to_a_secret = namespace.revocable_token("greeter-0", "lease").await;
    let unbound = namespace.kubectl(&["create", "token", "greeter"], "").await;
    let patch = label("micro.mu/type", Some("service"));
    for token in [bound_to_a_secret, unbound.unwrap().trim().to_owned()] {
        let path = "pods/greeter-0?dryRun=All";
        let answer = world.send(&token, STRATEGIC, path, &patch).await;
        refused(answer, OWN_POD, "a token without a pod");
    }
}

#[tokio::test]
async fn an_account_of_another_namespace_is_refused_unless_it_is_exempt() {
    let world = World::new("policy-foreign").await;
    let elsewhere = Namespace::fresh("policy-elsewhere").await;
    elsewhere.account("greeter", &[], &[]).await;
    // Even a pod of the same name.
    elsewhere.running_pod("greeter-0", "greeter", IP).await;
    let token = elsewhere.token("greeter-0").await;
    // Granted in the world's namespace.
    let account = format!("--serviceaccount={}:greeter", elsewhere.name);
    let bind = [
        "create",
        "rolebinding",
        "foreign",
        "--role=greeter",
        &account,
    ];
    world.namespace.kubectl(&bind, "").await.unwrap();
    let patch = annotation("example.com/x", "y");
    let path = "pods/greeter-0?dryRun=All";
    let send = || world.send(&token, STRATEGIC, path, &patch);
    within("the role to take effect", async {
        while send().await.is_err_and(|why| !why.contains("Policy")) {
            sleep(LOOK_AGAIN).await;
        }
    })
    .await;
    refused(send().await, OWN_POD, "a foreign account");

    // The commands of the file, whose account is of the namespace `elsewhere`.
    let commands = documented::commands_of("registry/role-exempt.yaml");
    let name = &elsewhere.name;
    let commands: Vec<_> = commands
        .iter()
        .map(|it| it.replace("ACCOUNT_NAMESPACE", name))
        .collect();
    documented::run(&commands, &world.namespace, "greeter").await;
    within("the exemption to take effect", async {
        while send().await.is_err() {
            sleep(LOOK_AGAIN).await;
        }
    })
    .await;
    // The pod's own token is not exempt with it.
    world.refuses(&patch, "may change no annotations").await;
}

#[tokio::test]
async fn people_and_the_kubelet_are_left_out() {
    let world = World::new("policy-people").await;
    let note = annotation("example.com/note", "changed");
    world.namespace.patch_pod("other-0", note).await;
    world.namespace.set_ready("greeter-0", false).await;
}
