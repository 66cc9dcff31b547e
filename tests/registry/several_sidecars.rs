//! Two sidecars in one pod: each registers and removes its own service, and leaves the other's
//! alone.

use std::collections::BTreeMap;

use futures_util::future::join_all;
use testkit::address;
use testkit::cluster::{GoClient, GoWatch, IP, Identity, Namespace, ROLE};
use testkit::greeter::Greeter;
use testkit::print_line;
use tokio::time::{Duration, Instant, sleep};

use crate::rig::{Sidecar, keys, version};

/// The releases whose watchers listen. The first one does not filter events.
const WATCHERS: [&str; 3] = ["s4-old", "s4-v1", "v4c"];

/// The time in which nobody may write.
const QUIET: Duration = Duration::from_secs(10);

/// The services of the pod.
const SERVICES: [&str; 2] = ["greeter", "other"];

/// Two sidecars in the pod `greeter-0`, with a port each.
struct World {
    namespace: Namespace,
    sidecars: [Sidecar; 2],
    _greeters: [Greeter; 2],
}

// === impl World ===

impl World {
    /// Starts both sidecars at the same time.
    async fn start(namespace: Namespace, identity: &Identity) -> Self {
        let greeters = SERVICES.map(|_| {
            let mut greeter = Greeter::reserve();
            greeter.start();
            greeter
        });
        let [first, second] = [0, 1].map(|place| {
            let target = greeters[place].address();
            async move {
                let name = format!("--server_name={}", SERVICES[place]);
                let port = format!("--health_address={}", address::free());
                Sidecar::start(identity, target, &[&name, &port]).await
            }
        });
        let sidecars = <[Sidecar; 2]>::from(tokio::join!(first, second));
        for sidecar in &sidecars {
            sidecar.is("registered").await;
        }
        Self {
            namespace,
            sidecars,
            _greeters: greeters,
        }
    }

    /// Returns the number of patches of both.
    async fn patches(&self) -> u64 {
        let [first, second] = &self.sidecars;
        first.patches().await + second.patches().await
    }
}

async fn a_pod() -> (Namespace, Identity) {
    let namespace = Namespace::fresh("two-sidecars").await;
    namespace.account("greeter", &ROLE, &[]).await;
    for pod in ["greeter-0", "watcher-0"] {
        namespace.running_pod(pod, "greeter", IP).await;
    }
    let identity = namespace.identity("greeter-0").await;
    (namespace, identity)
}

#[tokio::test]
async fn two_sidecars_write_twice_each_and_leave_alone() {
    let (namespace, identity) = a_pod().await;
    let watcher = namespace.identity("watcher-0").await;
    let watches = WATCHERS.map(|release| {
        let client = GoClient::new(release, &watcher);
        async move { (release, client.watch(None).await) }
    });
    let watches = join_all(watches).await;
    let mut world = World::start(namespace, &identity).await;
    let before = version(&world.namespace).await;
    sleep(QUIET).await;
    let after = version(&world.namespace).await;
    let patches = world.patches().await;
    print_line(&format!(
        "several sidecars: two in one pod, {patches} patches in {QUIET:?}"
    ));
    assert_eq!((patches, after), (4, before));

    let [first, second] = &mut world.sidecars;
    assert!(first.terminate().await.success());
    let left = keys(&world.namespace).await;
    let record = |name: &str| format!("micro.mu/service-{name}");
    let mark = |name: &str| format!("registration.micro-health/{name}");
    assert!(!left.contains(&record("greeter")), "{left:?}");
    for key in [record("other"), mark("other"), "micro.mu/type".to_owned()] {
        assert!(left.contains(&key), "{key}: {left:?}");
    }
    let before = version(&world.namespace).await;
    second.is("registered").await;
    sleep(Duration::from_secs(1)).await;
    let after = version(&world.namespace).await;
    assert_eq!((second.patches().await, after), (2, before));
    assert!(second.terminate().await.success());
    assert_eq!(keys(&world.namespace).await, Vec::<String>::new());

    for (release, watch) in watches {
        let events = events(watch).await;
        for name in SERVICES {
            for action in ["create", "delete"] {
                let count = events.get(&format!("{action} {name}"));
                assert_eq!(count, Some(&1), "{release} {action} {name}: {events:?}");
            }
        }
    }
}

/// Returns how often each event came, until a while after the last service has left.
async fn events(mut watch: GoWatch) -> BTreeMap<String, usize> {
    let mut events = BTreeMap::new();
    let mut end = None;
    loop {
        let left = end.map_or(Duration::from_secs(20), |end: Instant| {
            end.saturating_duration_since(Instant::now())
        });
        let next = tokio::time::timeout(left, watch.next()).await;
        let Ok(event) = next else { return events };
        let event = event.unwrap();
        let event = format!("{} {}", event.action, event.service.name);
        if event == "delete other" {
            end = Some(Instant::now() + Duration::from_millis(300));
        }
        *events.entry(event).or_default() += 1;
    }
}

#[tokio::test]
async fn two_sidecars_that_stop_at_once_leave_nothing() {
    let (namespace, identity) = a_pod().await;
    for _ in 0..3 {
        let mut world = World::start(namespace.clone(), &identity).await;
        let [first, second] = &mut world.sidecars;
        let ends = tokio::join!(first.terminate(), second.terminate());
        assert!(ends.0.success() && ends.1.success());
        assert_eq!(keys(&namespace).await, Vec::<String>::new());
    }
}

#[tokio::test]
async fn two_sidecars_of_one_service_stop_writing_and_leave_nothing() {
    let (namespace, identity) = a_pod().await;
    let greeters = SERVICES.map(|_| {
        let mut greeter = Greeter::reserve();
        greeter.start();
        greeter
    });
    // Their nodes have one id, which is made of the service and the pod.
    let [first, second] = greeters.each_ref().map(|greeter| {
        let (identity, target) = (&identity, greeter.address());
        async move {
            let port = format!("--health_address={}", address::free());
            Sidecar::start(identity, target, &[&port]).await
        }
    });
    let (mut first, mut second) = tokio::join!(first, second);
    sleep(QUIET).await;
    let patches = [first.patches().await, second.patches().await];
    let states = [first.registration().await, second.registration().await];
    let states = states.map(|registration| registration["state"].clone());
    print_line(&format!(
        "several sidecars: of one service, {patches:?} patches in {QUIET:?}, {states:?}"
    ));
    assert!(patches.iter().all(|patches| *patches <= 8), "{patches:?}");
    assert!(states.contains(&"contested".into()), "{states:?}");
    let ends = tokio::join!(first.terminate(), second.terminate());
    assert!(ends.0.success() && ends.1.success());
    assert_eq!(keys(&namespace).await, Vec::<String>::new());
}
