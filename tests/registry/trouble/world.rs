//! A pod whose service is healthy and probed all the time.

use serde_json::json;
use testkit::cluster::{ApiServer, IP, Identity, Namespace};
use testkit::greeter::Greeter;
use testkit::kubelet::Prober;
use testkit::{print_line, within};
use tokio::sync::{Mutex, MutexGuard};
use tokio::time::Duration;

use crate::rig::Sidecar;

/// The pause between two probes.
const PAUSE: Duration = Duration::from_millis(5);

/// The number of probes that a percentile needs.
const ENOUGH: usize = 400;

/// The limit of the 99th percentile.
const P99: Duration = Duration::from_millis(100);

/// The lock of the tests, which run one at a time because they measure the time of a probe.
static TURN: Mutex<()> = Mutex::const_new(());

pub const RECORD: &str = "micro.mu/service-greeter";

/// A healthy service in a pod, its sidecar, and a prober.
pub struct World {
    name: &'static str,
    pub namespace: Namespace,
    pub sidecar: Sidecar,
    probes: Prober,
    _identity: Identity,
    _greeter: Greeter,
    _turn: MutexGuard<'static, ()>,
}

/// Creates a namespace with one pod, whose account has a role.
pub async fn a_pod(api: &ApiServer, verbs: &[&str]) -> (Namespace, Identity) {
    let namespace = Namespace::fresh_in(api, "trouble").await;
    namespace.account("greeter", verbs, &[]).await;
    namespace.running_pod("greeter-0", "greeter", IP).await;
    let identity = namespace.identity("greeter-0").await;
    (namespace, identity)
}

// === impl World ===

impl World {
    pub async fn start(
        name: &'static str,
        (namespace, identity): (Namespace, Identity),
        flags: &[&str],
    ) -> Self {
        let turn = TURN.lock().await;
        let mut greeter = Greeter::reserve();
        greeter.start();
        let sidecar = Sidecar::start(&identity, greeter.address(), flags).await;
        within("the first healthy probe", async {
            while sidecar.probe("/health/greeter").await != 200 {}
        })
        .await;
        let probes = Prober::start(sidecar.address, "/health/greeter", PAUSE);
        Self {
            name,
            namespace,
            sidecar,
            probes,
            _identity: identity,
            _greeter: greeter,
            _turn: turn,
        }
    }

    /// Removes the record, as another writer would.
    pub async fn drift(&self) {
        let patch = json!({ "metadata": { "annotations": { RECORD: null } } });
        self.namespace.patch_pod("greeter-0", patch).await;
    }

    pub async fn annotation(&self, key: &str) -> Option<String> {
        let pod = self.namespace.pod("greeter-0").await?;
        pod.metadata.annotations?.remove(key)
    }

    pub async fn is_repaired(&self) {
        within("the repair", async {
            while self.annotation(RECORD).await.is_none() {}
        })
        .await;
        self.sidecar.is("registered").await;
    }

    /// Prints the line of the table.
    pub async fn end(self) {
        let took = self.probes.end(ENOUGH).await;
        print_line(&format!("trouble: {:<28} {took}", self.name));
        assert!(took.p99 < P99, "{}: {took}", self.name);
    }
}
