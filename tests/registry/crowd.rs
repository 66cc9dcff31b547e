//! The load of many pods on the API server. Each has a whole registration with its own connection
//! and watch, all in this process. `just crowd` has a thousand of them.

use std::ffi::OsString;
use std::sync::Arc;

use futures_util::future::join_all;
use futures_util::{StreamExt as _, stream};
use micro_health::internal::Handle;
use micro_health::internal::Monitor;
use micro_health::internal::Registration;
use micro_health::internal::Settings;
use micro_health::internal::Target;
use micro_health::internal::args;
use testkit::cluster::{ControlPlane, IP, Identity, Namespace, ROLE};
use testkit::descriptors;
use testkit::greeter::Greeter;
use testkit::{print_line, within};
use tokio::task::JoinSet;
use tokio::time::{Duration, Instant, sleep, timeout};

use crate::rig::Metrics;

/// The default number of pods: a debug build needs seconds for so many TLS handshakes.
const PODS: usize = 50;

/// The variable that sets another number.
const VARIABLE: &str = "MICRO_HEALTH_CROWD";

/// The time limit of an action of all pods at once, on a busy machine.
const PATIENCE: Duration = Duration::from_mins(2);

/// The time in which no request is expected.
const STEADY: Duration = Duration::from_secs(3);

/// The average duration of a watch in seconds: 290 to 580.
const WATCH: f64 = 435.0;

/// The number of the test's own requests at once.
const AT_ONCE: usize = 16;

/// The port of each sidecar, and the time limit of its removal.
const OWN: (u16, Duration) = (8080, Duration::from_secs(5));

/// The running registrations.
struct Crowd {
    handles: Vec<Handle>,
    running: JoinSet<()>,
}

/// A namespace with the pods.
struct World {
    pods: usize,
    namespace: Namespace,
    identity: Identity,
    greeter: Greeter,
    control_plane: ControlPlane,
}

// === impl World ===

impl World {
    async fn start() -> Self {
        let pods = std::env::var(VARIABLE).ok();
        let pods = pods.map_or(PODS, |pods| pods.parse().expect("a number of pods"));
        descriptors::raise_limit(4 * pods + 200).await;
        let control_plane = ControlPlane::start().await;
        let namespace = Namespace::fresh_in(&control_plane.api, "crowd").await;
        namespace.account("greeter", &ROLE, &[]).await;
        let made = stream::iter(0..pods).map(async |number| {
            namespace.running_pod(&name(number), "greeter", IP).await;
        });
        made.buffer_unordered(AT_ONCE).collect::<()>().await;
        let token = namespace.revocable_token(&name(0), "all").await;
        let identity = Identity::new(&namespace, &name(0), &token);
        let mut greeter = Greeter::reserve();
        greeter.start();
        Self {
            pods,
            namespace,
            identity,
            greeter,
            control_plane,
        }
    }

    async fn metrics(&self) -> Metrics {
        Metrics::read(&self.namespace.admin).await
    }

    /// Starts all registrations, and waits until each pod is registered.
    async fn register(&self, jitter: &str) -> (Crowd, Duration) {
        let started = Instant::now();
        let mut crowd = Crowd {
            handles: Vec::new(),
            running: JoinSet::new(),
        };
        for number in 0..self.pods {
            crowd.join(self, number, jitter).await;
        }
        let registered = timeout(PATIENCE, async {
            for handle in &crowd.handles {
                while !handle.status().is_registered {
                    sleep(Duration::from_millis(5)).await;
                }
            }
        });
        if registered.await.is_err() {
            let mut not = crowd.handles.iter().map(Handle::status);
            let one = not.find(|status| !status.is_registered);
            panic!("not registered after {PATIENCE:?}: {one:#?}");
        }
        (crowd, started.elapsed())
    }
}

fn name(number: usize) -> String {
    format!("greeter-{number}")
}

// === impl Crowd ===

impl Crowd {
    async fn join(&mut self, world: &World, number: usize, jitter: &str) {
        let argv = [
            "health".to_owned(),
            "--server_name=greeter".to_owned(),
            "--protocol=grpc".to_owned(),
            // The service is checked once, because it is not measured.
            "--period=1h".to_owned(),
            "--check_timeout=1m".to_owned(),
            "--registry=kubernetes".to_owned(),
            format!("--server_address={}", world.greeter.address()),
            format!("--registry_address={}", world.namespace.api.url()),
            format!("--service_account={}", world.identity.folder().display()),
            format!("--pod_name={}", name(number)),
            format!("--register_jitter={jitter}"),
        ];
        let args = args::read(argv.map(OsString::from), |_| None).unwrap().args;
        let target = Target::new(args.target, &Settings::default()).unwrap();
        let monitors: Arc<[Monitor]> = [Monitor::new(target, args.monitor)].into();
        let registration = Registration::new(&args.registry, Arc::clone(&monitors), OWN, |_| None);
        let registration = registration.await.unwrap();
        self.handles.push(registration.handle());
        self.running.spawn(async move {
            tokio::select! {
                () = registration.run() => {}
                () = monitors[0].run() => {}
            }
        });
    }

    /// Ends all registrations.
    async fn leave(self) -> Duration {
        let started = Instant::now();
        let left = join_all(self.handles.iter().map(|handle| handle.stop(PATIENCE))).await;
        assert!(left.into_iter().all(|gone| gone), "all must be taken away");
        started.elapsed()
    }
}

/// Prints the requests that the server answered between two moments, and returns their numbers.
fn print_requests(what: &str, took: Duration, before: &Metrics, after: &Metrics) -> [u64; 3] {
    let of = |verb, code| after.requests(verb, code) - before.requests(verb, code);
    let [patches, lists, all] = [of("PATCH", "2"), of("LIST", "2"), of("", "")];
    let spent = after.milliseconds() - before.milliseconds();
    print_line(&format!(
        "crowd: {what:<24} {took:>6.1?}: {patches:>4} patches of {:>4} ms, {lists:>4} lists, {} times 429",
        spent / patches.max(1),
        of("", "429"),
    ));
    [patches, lists, all]
}

#[tokio::test]
async fn pods_write_only_when_they_start_and_when_they_leave() {
    let mut world = World::start().await;
    let pods = u64::try_from(world.pods).unwrap();

    let start = world.metrics().await;
    let (crowd, took) = world.register("0").await;
    let registered = world.metrics().await;
    let [patches, lists, _] = print_requests(
        &format!("{pods} start, no jitter"),
        took,
        &start,
        &registered,
    );
    assert_eq!((patches, lists), (2 * pods, pods));

    within("all watches", async {
        while world.metrics().await.watches() - start.watches() != pods {}
    })
    .await;
    let watched = world.metrics().await;
    sleep(STEADY).await;
    let steady = world.metrics().await;
    let [.., all] = print_requests("stay", STEADY, &watched, &steady);
    assert_eq!(all, 0, "nothing of any kind");
    print_line(&format!(
        "crowd: {pods} watches stay open, and no other request: {:.1} per pod and hour as they end",
        3600.0 / WATCH
    ));

    // All are killed at once, so no pod is deregistered.
    drop(crowd);
    let killed = world.metrics().await;
    let (crowd, took) = world.register("0").await;
    let restarted = world.metrics().await;
    let [patches, lists, _] = print_requests("restart, all at once", took, &killed, &restarted);
    assert_eq!((patches, lists), (0, pods));

    let took = crowd.leave().await;
    let left = world.metrics().await;
    let [patches, ..] = print_requests("leave, all at once", took, &restarted, &left);
    assert_eq!(patches, pods);

    let (crowd, took) = world.register("1s").await;
    let spread = world.metrics().await;
    let [patches, ..] = print_requests("start, jitter 1 s", took, &left, &spread);
    assert_eq!(patches, 2 * pods);

    // The API server restarts, and counts from zero. Until it has read its Roles it may refuse a
    // watch, and that pod is read at each interval for a while.
    world.control_plane.stop_apiserver();
    world.control_plane.start_apiserver().await;
    let (none, started) = (Metrics::default(), Instant::now());
    let again = timeout(PATIENCE, async {
        while world.metrics().await.requests("LIST", "2") < pods {
            sleep(Duration::from_millis(50)).await;
        }
    });
    again.await.expect("every pod must be observed again");
    let (took, back) = (started.elapsed(), world.metrics().await);
    let [patches, lists, _] = print_requests("the API server restarts", took, &none, &back);
    assert_eq!(patches, 0);
    // A list follows for each lost watch, and another one if the server was not ready for it.
    assert!(lists <= 3 * pods, "{lists} lists");
    drop(crowd);
}
