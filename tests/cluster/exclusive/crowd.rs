//! A crowd of fifty pods, and the costs of each sidecar.

use std::time::Duration;

use futures_util::future::join_all;
use serde_json::Value;
use testkit::cluster::ROLE;
use testkit::print_line;
use tokio::time::{Instant, sleep};

use crate::rig::{ACCOUNT, Process, Scene, base, greeter, probed_as, registered, row};

const PODS: usize = 50;

/// The time of the measurement: several periods of every probe.
const MEASURED: Duration = Duration::from_secs(30);

/// The limits of each sidecar: KiB resident, and millionths of a processor.
const MEMORY: u64 = 5 * 1024;
const PROCESSOR: u64 = 5000;

/// Returns a registered greeter with the probes of k8s/base.
fn manifest() -> Value {
    probed_as(&base(), registered(greeter("v1.8.0-grpc")))
}

/// Returns the processor time of each process in millionths of a processor.
async fn processor(of: &[Process]) -> Vec<u64> {
    let started = Instant::now();
    let before: Vec<_> = of.iter().map(|it| it.cpu()).collect();
    sleep(MEASURED).await;
    let took = started.elapsed();
    let spent = of
        .iter()
        .zip(before)
        .map(|(it, before)| it.cpu().saturating_sub(before));
    let share = |spent: Duration| spent.as_micros() * 1_000_000 / took.as_micros();
    spent.map(|it| u64::try_from(share(it)).unwrap()).collect()
}

/// Returns a line with one figure.
fn figure_line(what: &str, figures: &[u64]) -> String {
    let average = figures.iter().sum::<u64>() / figures.len() as u64;
    let most = figures.iter().max().unwrap();
    format!("  {what:<42} {average:>7} on average, {most:>5} at most")
}

#[tokio::test]
async fn fifty_sidecars_stay_within_their_limits() {
    let scene = Scene::alone("crowd").await;
    scene.namespace.account(ACCOUNT, &ROLE, &[]).await;
    let started = Instant::now();
    let names: Vec<_> = (0..PODS)
        .map(|number| format!("greeter-{number}"))
        .collect();
    let pods = join_all(names.iter().map(|name| scene.ready_pod(name, manifest()))).await;
    let took = started.elapsed();
    let sidecars = join_all(pods.iter().map(|pod| pod.process("health"))).await;
    let greeters = join_all(pods.iter().map(|pod| pod.process("greeter"))).await;

    let processor = processor(&sidecars).await;
    for pod in &pods {
        let state = pod.state().await;
        assert_eq!(state.all_restarts(), "greeter 0, health 0", "{}", pod.name);
    }
    row(
        "50 pods",
        Some(took),
        &pods[0].state().await,
        "from the first creation to the last Ready",
    );
    let kib = |of: &[Process], figure: fn(Process) -> u64| {
        of.iter().map(|it| figure(*it)).collect::<Vec<_>>()
    };
    let resident = kib(&sidecars, |it| it.memory("Rss"));
    for (what, figures) in [
        ("sidecar, KiB resident", &resident),
        (
            "sidecar, KiB of it its own part",
            &kib(&sidecars, |it| it.memory("Pss")),
        ),
        (
            "sidecar, KiB charged to its container",
            &kib(&sidecars, Process::charged),
        ),
        ("sidecar, millionths of a processor", &processor),
        (
            "greeter, KiB resident",
            &kib(&greeters, |it| it.memory("Rss")),
        ),
    ] {
        print_line(&figure_line(what, figures));
    }
    assert!(resident.iter().all(|it| *it <= MEMORY), "{resident:?} KiB");
    assert!(processor.iter().all(|it| *it <= PROCESSOR), "{processor:?}");
    scene.close().await;
}
