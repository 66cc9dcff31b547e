//! A sidecar that restarts with other names at the same port removes what it registered under the
//! names before. The command beside it changes nothing of the sidecar's.

use testkit::address;
use testkit::cluster::{GoClient, IP, Identity, Namespace, S6, Service};
use testkit::greeter::Greeter;
use testkit::{print_line, within};
use tokio::time::{Duration, sleep};

use crate::rig::{Sidecar, health, keys, version};

/// A pod, its service, and the port of its sidecar.
struct World {
    namespace: Namespace,
    identity: Identity,
    greeter: Greeter,
    port: String,
}

// === impl World ===

impl World {
    async fn new() -> Self {
        let namespace = Namespace::fresh("renamed").await;
        namespace
            .account("greeter", &["get", "list", "patch", "watch"], &[])
            .await;
        namespace.running_pod("greeter-0", "greeter", IP).await;
        let identity = namespace.identity("greeter-0").await;
        let mut greeter = Greeter::reserve();
        greeter.start();
        Self {
            namespace,
            identity,
            greeter,
            port: format!("--health_address={}", address::free()),
        }
    }

    /// Starts the sidecar, which has the same port each time.
    async fn sidecar(&self, flag: &str) -> Sidecar {
        let flags = [&*self.port, flag];
        let sidecar = Sidecar::start(&self.identity, self.greeter.address(), &flags).await;
        sidecar.is("registered").await;
        sidecar
    }

    /// Asserts that the pod has no key with this text.
    async fn has_none(&self, text: &str) {
        within(&format!("{text} to go"), async {
            while keys(&self.namespace)
                .await
                .iter()
                .any(|key| key.contains(text))
            {}
        })
        .await;
    }

    /// Runs `health registry` with these words, and asserts that it succeeds.
    async fn command(&self, words: &[&str]) {
        let words = [&["registry"], words, &["--pod_name=greeter-0"]].concat();
        let (code, _, err) = health(&self.identity, &words, &[]).await;
        assert_eq!((code, &*err), (0, ""), "{words:?}");
    }
}

#[tokio::test]
async fn a_restart_under_another_name_removes_the_old_record() {
    let world = World::new().await;
    // It is killed each time, so that the pod stays registered.
    drop(world.sidecar("--server_name=before").await);
    let mut sidecar = world.sidecar("--server_name=after").await;
    world.has_none("before").await;
    let patches = sidecar.patches().await;
    print_line(&format!(
        "renames: another --server_name, {patches} patches"
    ));
    assert_eq!(patches, 3, "{}", sidecar.log());
    let client = GoClient::new("v4c", &world.identity);
    let found = client.list().await.unwrap();
    let names: Vec<_> = found.iter().map(|service| &*service.name).collect();
    assert_eq!(names, ["after"]);
    assert!(sidecar.terminate().await.success());
    assert_eq!(keys(&world.namespace).await, Vec::<String>::new());
}

#[tokio::test]
async fn a_restart_in_another_scheme_removes_the_old_record() {
    let world = World::new().await;
    drop(world.sidecar("--register_scheme=micro.mu").await);
    drop(world.sidecar("--register_scheme=go.micro").await);
    world.has_none("micro.mu").await;
    let client = GoClient::new(S6, &world.identity);
    assert_eq!(client.get("greeter").await.unwrap().len(), 1);
    let mut sidecar = world.sidecar("--register_scheme=micro.mu").await;
    world.has_none("go.micro").await;
    let patches = sidecar.patches().await;
    print_line(&format!(
        "renames: another --register_scheme, {patches} patches"
    ));
    assert_eq!(patches, 2, "{}", sidecar.log());
    assert!(sidecar.terminate().await.success());
    assert_eq!(keys(&world.namespace).await, Vec::<String>::new());
}

#[tokio::test]
async fn the_command_and_a_sidecar_leave_each_other_alone() {
    let world = World::new().await;
    let mut sidecar = world.sidecar("--server_name=greeter").await;
    let client = GoClient::new("v4c", &world.identity);
    let nodes = async || -> Vec<String> {
        let found = client.get("greeter").await.unwrap();
        let nodes = found.iter().flat_map(Service::nodes);
        nodes.map(|node| node.id.clone()).collect()
    };
    let [ours] = &nodes().await[..] else {
        panic!("{}", sidecar.log())
    };
    let node = ["--server_name=greeter", "--server_id=job"];
    let other = ["--server_name=other"];
    for (register, deregister, beside) in [
        (
            &node[..],
            &node[..],
            vec![ours.clone(), "greeter-job".to_owned()],
        ),
        (&other[..], &other[..], vec![ours.clone()]),
    ] {
        let at = ["register", "--server_address=:9999"];
        world.command(&[&at, register].concat()).await;
        is_calm(&world, &sidecar).await;
        assert_eq!(nodes().await, beside);
        world.command(&[&["deregister"], deregister].concat()).await;
        is_calm(&world, &sidecar).await;
        assert_eq!(nodes().await, std::slice::from_ref(ours));
    }
    // What the command registered stays when the sidecar leaves.
    let at = ["register", "--server_address=:9999"];
    world.command(&[&at, &other[..]].concat()).await;
    assert!(sidecar.terminate().await.success());
    world.has_none("service-greeter").await;
    world.command(&[&["deregister"], &other[..]].concat()).await;
    assert_eq!(keys(&world.namespace).await, Vec::<String>::new());
}

/// Asserts that nobody writes, and that the sidecar has not written again.
async fn is_calm(world: &World, sidecar: &Sidecar) {
    let before = version(&world.namespace).await;
    sleep(Duration::from_millis(700)).await;
    let after = version(&world.namespace).await;
    assert_eq!((sidecar.patches().await, after), (2, before));
}
