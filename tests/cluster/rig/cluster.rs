//! The cluster that all scenarios share, and the order of their turns.

use std::net::{Ipv4Addr, SocketAddr};
use std::time::Duration;

use k8s_openapi::api::core::v1::Node;
use kube::Api;
use testkit::cluster::{ApiServer, ControlPlane};
use testkit::print_line;
use tokio::sync::{Mutex, MutexGuard, OnceCell, RwLock, RwLockReadGuard, RwLockWriteGuard};
use tokio::time::{Instant, sleep, timeout};

use super::node::{self, Parts};
use super::{POLL, images};

/// The address of the API server in pods, port 443 as well. isolated.sh gives it to the machine.
const APISERVER: SocketAddr =
    SocketAddr::new(std::net::IpAddr::V4(Ipv4Addr::new(10, 96, 0, 1)), 443);

/// The time limit for the start of a node, which takes 5 s on an idle machine.
const READY: Duration = Duration::from_mins(2);

/// A running cluster. Its programs wait for the end of their standard input, so it ends with the
/// process.
#[derive(Debug)]
pub struct Cluster {
    pub api: ApiServer,
    control_plane: Mutex<ControlPlane>,
    /// The lock of the turns. It is fair, so that a scenario that runs alone waits for earlier
    /// ones, and later ones wait for it.
    turn: RwLock<()>,
    _parts: Parts,
}

/// The turn of a scenario.
#[derive(Debug)]
pub enum Turn {
    BesideOthers(#[expect(dead_code, reason = "held, not read")] RwLockReadGuard<'static, ()>),
    Alone(#[expect(dead_code, reason = "held, not read")] RwLockWriteGuard<'static, ()>),
}

// === impl Cluster ===

impl Cluster {
    pub async fn shared() -> &'static Self {
        static SHARED: OnceCell<Cluster> = OnceCell::const_new();
        SHARED.get_or_init(Self::start).await
    }

    pub async fn turn_beside_others(&'static self) -> Turn {
        Turn::BesideOthers(self.turn.read().await)
    }

    pub async fn turn_alone(&'static self) -> Turn {
        Turn::Alone(self.turn.write().await)
    }

    /// Locks the control plane, for scenarios that stop the API server.
    pub async fn control_plane(&self) -> MutexGuard<'_, ControlPlane> {
        self.control_plane.lock().await
    }

    async fn start() -> Self {
        node::assert_isolated();
        let started = Instant::now();
        let control_plane = ControlPlane::start_at(APISERVER, &[]).await;
        let parts = Parts::start(&control_plane.api).await;
        images::import_all();
        let cluster = Self {
            api: control_plane.api.clone(),
            control_plane: Mutex::new(control_plane),
            turn: RwLock::default(),
            _parts: parts,
        };
        cluster.node_is_ready().await;
        let took = started.elapsed().as_secs_f64();
        print_line(&format!("a node is ready after {took:.1} s"));
        cluster
    }

    async fn node_is_ready(&self) {
        let nodes = Api::<Node>::all(self.api.admin());
        let mut last = "no node".to_owned();
        let ready = timeout(READY, async {
            loop {
                match nodes.get_opt(node::NAME).await {
                    Ok(Some(node)) if is_usable(&node) => return,
                    Ok(node) => last = format!("{:?}", node.map(|it| (it.spec, it.status))),
                    Err(error) => last = error.to_string(),
                }
                sleep(POLL).await;
            }
        });
        let ready = ready.await;
        assert!(
            ready.is_ok(),
            "no node is ready after {READY:?}: {last}\n{}",
            node::logs()
        );
    }
}

/// Returns whether the node is Ready and the controllers have noticed.
fn is_usable(node: &Node) -> bool {
    let status = node.status.as_ref();
    let conditions = status.and_then(|status| status.conditions.as_ref());
    let is_ready = conditions
        .into_iter()
        .flatten()
        .any(|it| it.type_ == "Ready" && it.status == "True");
    let taints = node.spec.as_ref().and_then(|spec| spec.taints.as_ref());
    is_ready && taints.is_none_or(Vec::is_empty)
}
