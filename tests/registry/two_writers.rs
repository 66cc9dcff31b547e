//! A Go service that registers itself beside the sidecar: the conflict has few writes, and none
//! afterwards.

use futures_util::future::join_all;
use serde_json::Value;
use testkit::cluster::{GoClient, IP, Identity, Namespace, RELEASES, ROLE, S6};
use testkit::greeter::Greeter;
use testkit::{print_line, within};
use tokio::time::{Duration, Instant, MissedTickBehavior, interval, sleep};

use crate::rig::Sidecar;

const RECORD: &str = "micro.mu/service-greeter";

/// The node that Go registers.
const GO_NODE: &str = "greeter-go";

/// The number of Go's registrations, as fast as possible: go-micro's own interval is 30 s.
const ROUNDS: u64 = 30;
const PAUSE: Duration = Duration::from_millis(100);

/// A number of registrations that does not make the service contested.
const FEW: u64 = 2;

/// The number of writes without a conflict: registration and announcement, and the mark once more
/// if another writer owns the record.
const WITHOUT_CONFLICT: u64 = 3;

/// The number of writes in a burst, and the time in seconds for one more.
const BURST: u64 = 6;
const REFILL: u64 = 5;

/// The number of rewrites after which a service is contested.
const REWRITES: u64 = 4;

/// The time of several intervals of the sidecar.
const INTERVALS: Duration = Duration::from_millis(700);

/// The time in which nobody may write to an adopted record.
const CALM: Duration = Duration::from_secs(5);

/// A service and its sidecar in a pod, and the Go registries that also register the service.
struct World {
    namespace: Namespace,
    identity: Identity,
    greeter: Greeter,
    sidecar: Sidecar,
}

// === impl World ===

impl World {
    async fn start(on_foreign: &str) -> Self {
        let namespace = Namespace::fresh("two-writers").await;
        namespace.account("greeter", &ROLE, &[]).await;
        namespace.running_pod("greeter-0", "greeter", IP).await;
        let identity = namespace.identity("greeter-0").await;
        let mut greeter = Greeter::reserve();
        greeter.start();
        let flag = format!("--on_foreign={on_foreign}");
        let flags = [&*flag, "--expose_errors"];
        let sidecar = Sidecar::start(&identity, greeter.address(), &flags).await;
        sidecar.is("registered").await;
        Self {
            namespace,
            identity,
            greeter,
            sidecar,
        }
    }

    /// Registers by one release after another.
    async fn go(&self, releases: &[&'static str], rounds: u64) {
        let address = format!("{IP}:{}", self.greeter.address().port());
        let clients: Vec<_> = releases
            .iter()
            .map(|release| GoClient::new(release, &self.identity))
            .collect();
        let mut pause = interval(PAUSE);
        pause.set_missed_tick_behavior(MissedTickBehavior::Delay);
        for (client, _) in clients.iter().cycle().zip(0..rounds) {
            pause.tick().await;
            assert_eq!(client.register_node(GO_NODE, &address).await, Ok(()));
        }
    }

    /// Returns the number of writes with a purpose.
    async fn writes(&self, purpose: &str) -> u64 {
        let line =
            format!("health_sidecar_registry_patches_total{{result=\"ok\",reason=\"{purpose}\"");
        self.sidecar.metric(&line).await
    }

    async fn rewrites(&self) -> u64 {
        self.sidecar
            .metric("health_sidecar_registry_foreign_rewrites_total")
            .await
    }

    /// Waits until the record has this node; no node means no record.
    async fn holds(&self, node: &str) {
        within(&format!("{node:?} in the record"), async {
            while self.nodes().await != [node] {}
        })
        .await;
    }

    async fn nodes(&self) -> Vec<String> {
        let pod = self.namespace.pod("greeter-0").await.unwrap();
        let record = pod.metadata.annotations.unwrap_or_default().remove(RECORD);
        let Some(record) = record else {
            return Vec::new();
        };
        let record: Value = serde_json::from_str(&record).unwrap();
        let nodes = record["nodes"].as_array().unwrap();
        nodes
            .iter()
            .map(|node| node["id"].as_str().unwrap().to_owned())
            .collect()
    }

    async fn version(&self) -> String {
        let pod = self.namespace.pod("greeter-0").await.unwrap();
        pod.metadata.resource_version.unwrap()
    }

    /// Asserts that intervals pass without a write.
    async fn is_calm(&self) {
        let version = self.version().await;
        sleep(INTERVALS).await;
        assert_eq!(self.version().await, version);
    }
}

/// Lets both write for a while, and checks how often the sidecar has written.
async fn fight(on_foreign: &'static str, releases: &'static [&'static str], rounds: u64) -> World {
    let world = World::start(on_foreign).await;
    let started = Instant::now();
    world.go(releases, rounds).await;
    if rounds == FEW && matches!(on_foreign, "merge" | "take") {
        let uid = world.namespace.pod("greeter-0").await.unwrap().metadata.uid;
        world.holds(&format!("greeter-{}", uid.unwrap())).await;
    }
    let took = started.elapsed();
    let (patches, rewrites) = (world.sidecar.patches().await, world.rewrites().await);
    print_line(&format!(
        "two writers: --on_foreign={on_foreign:<5} against {:<6} {rounds} times in {took:>5.1?}: {patches} patches of ours, {rewrites} foreign rewrites",
        releases.join("+")
    ));
    let most = match on_foreign {
        "merge" | "take" => BURST + took.as_secs() / REFILL + 1,
        _ => WITHOUT_CONFLICT,
    };
    assert!(patches <= most, "{patches} patches in {took:?}");
    assert!((1..=most).contains(&rewrites), "{rewrites} rewrites");
    world
}

const ALONE: &[&str] = &["v4"];
/// The JSON of these releases has different orders, so that each release always writes.
const ALTERNATING: &[&str] = &["v4", "v4c"];

#[tokio::test]
async fn adopt_leaves_the_record_to_go() {
    for releases in [ALONE, ALTERNATING] {
        let world = fight("adopt", releases, ROUNDS).await;
        world.holds(GO_NODE).await;
        world.is_calm().await;
        let registration = world.sidecar.is("registered").await;
        assert_eq!(registration["services"][0]["standing"], "adopted");
        assert_eq!(registration["services"][0]["detail"], GO_NODE);
    }
}

#[tokio::test]
async fn merge_and_take_repair_a_record_that_is_seldom_replaced() {
    for (on_foreign, releases) in [
        ("merge", ALONE),
        ("merge", ALTERNATING),
        ("take", ALTERNATING),
    ] {
        let world = fight(on_foreign, releases, FEW).await;
        world.sidecar.is("registered").await;
        world.is_calm().await;
    }
}

#[tokio::test]
async fn merge_and_take_give_up_a_record_that_is_replaced_again_and_again() {
    for on_foreign in ["merge", "take"] {
        let world = fight(on_foreign, ALONE, ROUNDS).await;
        let registration = world.sidecar.is("contested").await;
        assert_eq!(registration["services"][0]["detail"], RECORD);
        let line = world.sidecar.logs("The registration does not stay").await;
        assert_eq!(line["fields"]["key"], RECORD);
        assert!(world.sidecar.patches().await <= 2 + REWRITES + 1);
        world.is_calm().await;
    }
}

#[tokio::test]
async fn fail_stops_writing_and_reports_it() {
    let world = fight("fail", ALTERNATING, ROUNDS).await;
    world.is_calm().await;
    world.sidecar.is("refused").await;
    world
        .sidecar
        .logs("Not registered: another writer has registered the service")
        .await;
    assert_eq!(
        world.writes("repair").await + world.writes("deregister").await,
        0
    );
}

#[tokio::test]
async fn an_unhealthy_self_registered_service_is_removed_a_few_times() {
    let mut world = World::start("adopt").await;
    world.go(ALONE, 1).await;
    world.holds(GO_NODE).await;
    world.greeter.kill();
    for round in 1..=1 + REWRITES {
        within("the record to go", async {
            while !world.nodes().await.is_empty() {}
            // A write is counted when its answer arrives, which is later than the event.
            while world.writes("deregister").await < round {}
        })
        .await;
        assert_eq!(world.writes("deregister").await, round);
        world.go(ALONE, 1).await;
    }
    world.sidecar.logs("The registration does not stay").await;
    world.go(ALTERNATING, 10).await;
    world.is_calm().await;
    assert_eq!(
        (world.nodes().await, world.writes("deregister").await),
        (vec![GO_NODE.to_owned()], 1 + REWRITES)
    );
    print_line(&format!(
        "two writers: unhealthy, Go registers it again: {} deregistrations, {} foreign rewrites",
        world.writes("deregister").await,
        world.rewrites().await
    ));

    // The service is healthy again, and the next time is counted anew.
    world.greeter.start();
    world.sidecar.is("registered").await;
    world.greeter.kill();
    within("the record to go", async {
        while !world.nodes().await.is_empty() {}
    })
    .await;
}

#[tokio::test]
async fn the_record_of_every_generation_is_adopted() {
    let namespace = Namespace::fresh("adopted").await;
    namespace.account("greeter", &ROLE, &[]).await;
    join_all(RELEASES.map(|release| adopted(&namespace, release))).await;
}

async fn adopted(namespace: &Namespace, release: &'static str) {
    let pod = format!("{release}-0");
    namespace.running_pod(&pod, "greeter", IP).await;
    let identity = namespace.identity(&pod).await;
    let mut greeter = Greeter::reserve();
    greeter.start();
    let address = format!("{IP}:{}", greeter.address().port());
    let go = GoClient::new(release, &identity);
    assert_eq!(
        go.register_node(GO_NODE, &address).await,
        Ok(()),
        "{release}"
    );

    let scheme = if release == S6 {
        "--register_scheme=go.micro"
    } else {
        "--register_scheme=micro.mu"
    };
    let sidecar = Sidecar::start(&identity, greeter.address(), &[scheme, "--expose_errors"]).await;

    let registration = sidecar.is("registered").await;
    let service = &registration["services"][0];
    assert_eq!(
        (&service["standing"], &service["detail"]),
        (&"adopted".into(), &GO_NODE.into()),
        "{release}"
    );
    // Go registers the same again, as at its interval.
    let before = namespace.pod(&pod).await.unwrap().metadata;
    sleep(CALM).await;
    let again = go.register_node(GO_NODE, &address).await;
    assert_eq!(again, Ok(()), "{release}");
    sleep(INTERVALS).await;
    let after = namespace.pod(&pod).await.unwrap().metadata;
    assert_eq!(after.annotations, before.annotations, "{release}");
    assert_eq!(sidecar.patches().await, 0, "{release}");
}
