//! The files of k8s/registry, as they are published.

use testkit::cluster::{GoClient, IP, Identity, Namespace, ROLE};
use testkit::greeter::Greeter;

use crate::rig::{Sidecar, documented};

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
