//! The faults of a real API server: probes are answered meanwhile, and afterwards the
//! registration is correct.

use serde_json::{Value, json};
use testkit::cluster::{ControlPlane, IP, ROLE};
use testkit::greeter::Greeter;
use testkit::{print_line, within};
use tokio::time::{Duration, Instant, sleep};

use self::world::{RECORD, World, a_pod};
use crate::policy::{OWN_POD_ONLY, own_pods_only};
mod world;

/// The time of a hang: longer than an answer may take, and shorter than an outage.
const HUNG: Duration = Duration::from_secs(3);

/// The first two waits after a missing permission: 5 s and 10 s, and a tenth more.
const TWO_WAITS: Duration = Duration::from_millis(16_500);

#[tokio::test]
async fn a_hanging_server_delays_no_probe() {
    let control_plane = ControlPlane::start().await;
    let mut other = Greeter::reserve();
    other.start();
    let target = format!("--target=other={}", other.address());
    let pod = a_pod(&control_plane.api, &ROLE).await;
    let world = World::start("hung for 3 s", pod, &[&target]).await;
    world.sidecar.is("registered").await;

    control_plane.pause().await;
    // This change needs a write, which the server does not answer.
    other.kill();
    within("the removal to be sent", async {
        while world.sidecar.registration().await["doing"] != "deregister" {}
    })
    .await;
    sleep(HUNG).await;
    control_plane.resume();

    within("the other to be taken away", async {
        while world.annotation("micro.mu/service-other").await.is_some() {}
    })
    .await;
    other.start();
    world.sidecar.is("registered").await;
    world.drift().await;
    world.is_repaired().await;
    world.end().await;
}

#[tokio::test]
async fn an_outage_delays_no_probe_and_drift_is_repaired_after_it() {
    let mut control_plane = ControlPlane::start().await;
    let pod = a_pod(&control_plane.api, &ROLE).await;
    let world = World::start("down and back", pod, &[]).await;
    world.sidecar.is("registered").await;

    control_plane.stop_apiserver();
    world
        .sidecar
        .logs("Registry request failed: the API server cannot be reached")
        .await;
    // The record is still there, as far as the sidecar knows.
    let registration = world.sidecar.registration().await;
    assert_eq!(
        (&registration["state"], &registration["connected"]),
        (&json!("registered"), &json!(false))
    );
    control_plane.start_apiserver().await;

    // The recovery is logged although the pod never changes again.
    world.sidecar.logs("The pod can be observed again").await;
    let registration = world.sidecar.is("registered").await;
    assert_eq!(
        (&registration["connected"], &registration["lastRefusal"]),
        (&json!(true), &Value::Null)
    );
    world.drift().await;
    world.is_repaired().await;
    world.end().await;
}

#[tokio::test]
async fn a_revoked_token_delays_no_probe() {
    let (namespace, identity) = a_pod(ControlPlane::shared().await, &ROLE).await;
    let revocable = namespace.revocable_token("greeter-0", "lease").await;
    identity.write("token", &revocable);
    let pod = (namespace.clone(), identity.clone());
    let world = World::start("401", pod, &["--pod_name=greeter-0"]).await;
    world.sidecar.is("registered").await;

    identity.write("token", "garbage");
    namespace.revoke("lease", &revocable).await;
    world.drift().await;
    world
        .sidecar
        .logs("Registry request failed: the API server does not accept the token")
        .await;
    identity.write("token", &namespace.token("greeter-0").await);

    world.is_repaired().await;
    world.end().await;
}

#[tokio::test]
async fn an_account_without_a_role_gets_the_role_in_the_log() {
    let pod = a_pod(ControlPlane::shared().await, &[]).await;
    let world = World::start("403 without a role", pod, &[]).await;

    let line = world
        .sidecar
        .logs("Registry request failed: forbidden: pods")
        .await;
    let message = line["fields"]["message"].as_str().unwrap();
    let sentence = format!(
        "User \"system:serviceaccount:{0}:greeter\" cannot list resource \"pods\" in API group \"\" in the namespace \"{0}\"",
        world.namespace.name
    );
    assert!(message.contains(&sentence), "{message}");
    assert!(message.contains("missing verb: list on pods"), "{message}");
    assert_eq!(world.sidecar.registration().await["state"], "waiting");

    // An operator applies the Role from the log.
    let yaml = &message[message.find("apiVersion:").unwrap()..];
    world.namespace.apply_manifest(yaml).await;
    let granted = Instant::now();

    world.sidecar.is("registered").await;
    let took = granted.elapsed();
    print_line(&format!("trouble: registered {took:.1?} after the Role"));
    assert!(took < TWO_WAITS, "{took:?}");
    world.end().await;
}

#[tokio::test]
async fn a_replaced_pod_is_not_written_to() {
    let (namespace, identity) = a_pod(ControlPlane::shared().await, &["get", "patch"]).await;
    // The pod's own token would be refused a moment after the pod is gone.
    let token = namespace.revocable_token("greeter-0", "lease").await;
    identity.write("token", &token);
    let mut other = Greeter::reserve();
    other.start();
    let target = format!("--target=other={}", other.address());
    // The sidecar does not read the pod before the write.
    let flags = ["--pod_name=greeter-0", "--register_interval=1h", &target];
    let world = World::start("422 of another uid", (namespace, identity), &flags).await;
    world.sidecar.is("registered").await;

    world.namespace.remove_pod("greeter-0").await;
    world
        .namespace
        .running_pod("greeter-0", "greeter", IP)
        .await;
    other.kill();

    world
        .sidecar
        .logs(
            "Registry request failed: the object was deleted and created again under the same name",
        )
        .await;
    world.sidecar.is("gone").await;
    assert_eq!(world.annotation(RECORD).await, None);
    world.end().await;
}

#[tokio::test]
async fn a_denying_policy_is_reported() {
    let (namespace, identity) = a_pod(ControlPlane::shared().await, &ROLE).await;
    namespace.running_pod("other-0", "greeter", IP).await;
    let token = namespace.revocable_token("greeter-0", "lease").await;
    identity.write("token", &token);
    own_pods_only(&namespace, &token).await;
    let pod = (namespace, identity);
    let world = World::start("422 of a policy", pod, &["--pod_name=greeter-0"]).await;

    let line = world
        .sidecar
        .logs("Registry request failed: denied by an admission policy")
        .await;
    let message = line["fields"]["message"].as_str().unwrap();
    assert!(
        message.contains("only the pod that its token was made for"),
        "{message}"
    );
    assert_eq!(world.sidecar.registration().await["state"], "waiting");
    assert_eq!(world.annotation(RECORD).await, None);
    world.namespace.label(OWN_POD_ONLY, None).await;

    world.sidecar.is("registered").await;
    world.end().await;
}
