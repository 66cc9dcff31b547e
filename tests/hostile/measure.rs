//! The measurement of one row: an attack with probes meanwhile, the descriptors after it, and a stop during a
//! second attack.

use std::time::Duration;

use tokio::time::{self, Instant};

use crate::pod::{Pod, Setting};
use crate::prober::{ALIVE, Prober, Probes, probe};
use crate::table::Row;

/// The duration of the attack: longer than the two seconds that the sidecar waits for a request.
const ATTACK: Duration = Duration::from_millis(2_100);

/// The number of descriptors that may remain: kept connections to the service and the API server.
pub const DESCRIPTORS: usize = 4;

/// The duration of the second attack before SIGTERM.
const BEFORE_STOP: Duration = Duration::from_millis(300);

/// The bound of the wait for the exit, and for the descriptors to be closed.
const PATIENCE: Duration = Duration::from_secs(5);

/// The figures of a row.
#[derive(Debug)]
pub struct Figures {
    pub name: &'static str,
    /// The peak RSS in KiB; `None` if the sidecar died.
    pub peak: Option<usize>,
    pub livez: Probes,
    pub health: Probes,
    /// The number of log lines during the attack.
    pub lines: usize,
    pub first_line: Option<String>,
    /// The number of open descriptors before and after the attack.
    pub descriptors: (usize, usize),
    /// The time from SIGTERM to exit.
    pub stop: Duration,
    /// The number of GETs that the API server received during the attack.
    pub reads: Option<usize>,
}

/// Measures a row in a pod of its own.
pub async fn measure(row: &Row) -> Figures {
    let mut pod = Pod::start(row.setting).await;
    let address = pod.sidecar.address;
    let descriptors = pod.sidecar.descriptors();
    let reads = pod.reads();
    let logged = pod.sidecar.log(0).await.len();
    let start = |path, expected| Prober::start(row.setting.prober(), address, path, expected);

    let attack = row.attack.start(address);
    let probers = (
        start("/livez", ALIVE),
        start("/health", row.setting.health()),
    );
    time::sleep(ATTACK).await;
    let ended = tokio::task::spawn_blocking(|| (probers.0.end(), probers.1.end()));
    let (livez, health) = ended.await.unwrap();
    let reads = reads.and_then(|before| Some(pod.reads()? - before));
    drop(attack);

    let log = pod.sidecar.log(0).await;
    let lines = &log[logged..];
    let after = descriptors_after(&pod, row.setting, descriptors).await;

    let attack = row.attack.start(address);
    time::sleep(BEFORE_STOP).await;
    let peak = pod.peak();
    let started = Instant::now();
    pod.sidecar.signal("TERM").await;
    let _ = time::timeout(PATIENCE, pod.sidecar.exit()).await;
    let stop = started.elapsed();
    drop(attack);

    Figures {
        name: row.name,
        peak,
        livez,
        health,
        lines: lines.len(),
        first_line: lines.first().map(|line| line["message"].to_string()),
        descriptors: (descriptors, after),
        stop,
        reads,
    }
}

/// Waits until the descriptors are closed, with a probe between two looks, and returns how many are open.
async fn descriptors_after(pod: &Pod, setting: Setting, before: usize) -> usize {
    let (address, from) = (pod.sidecar.address, setting.prober());
    let end = Instant::now() + PATIENCE;
    loop {
        let now = pod.sidecar.descriptors();
        if now <= before + DESCRIPTORS || Instant::now() > end || pod.peak().is_none() {
            return now;
        }
        let probe = tokio::task::spawn_blocking(move || probe(from, address, "/livez", ALIVE));
        let _ = probe.await;
    }
}
