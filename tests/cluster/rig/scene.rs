//! The scene of one scenario: a namespace of its own, for the scenario's turn.

use k8s_openapi::api::core::v1::{Pod, ServiceAccount};
use kube::Api;
use kube::api::{DeleteParams, ListParams, PostParams};
use serde_json::{Value, json};
use testkit::cluster::{Namespace, parse_object};
use testkit::within;
use tokio::time::{sleep, timeout};

use super::cluster::{Cluster, Turn};
use super::{KUBELET, POLL, PodState, RunningPod};

/// A namespace, and the turn.
pub struct Scene {
    pub cluster: &'static Cluster,
    pub namespace: Namespace,
    _turn: Turn,
}

// === impl Scene ===

impl Scene {
    /// Creates a scene that runs at the same time as others.
    pub async fn beside_others(name: &str) -> Self {
        let cluster = Cluster::shared().await;
        Self::new(name, cluster, cluster.turn_beside_others().await).await
    }

    /// Creates a scene that runs while nothing else runs in the cluster.
    pub async fn alone(name: &str) -> Self {
        let cluster = Cluster::shared().await;
        Self::new(name, cluster, cluster.turn_alone().await).await
    }

    async fn new(name: &str, cluster: &'static Cluster, turn: Turn) -> Self {
        let namespace = Namespace::fresh_in(&cluster.api, name).await;
        let level = "pod-security.kubernetes.io/enforce";
        namespace.label(level, Some("restricted")).await;
        is_furnished(&namespace).await;
        Self {
            cluster,
            namespace,
            _turn: turn,
        }
    }

    /// Waits until the controllers work for new namespaces. After an outage they recover one by
    /// one, each at its next retry, up to half a minute later.
    pub async fn is_served(&self) {
        is_furnished(&Namespace::fresh_in(&self.cluster.api, "served").await).await;
    }

    /// Creates a pod and does not wait.
    pub async fn pod(&self, name: &str, mut manifest: Value) -> RunningPod {
        manifest["metadata"]["name"] = json!(name);
        let pod: Pod = parse_object(manifest);
        let pods: Api<Pod> = self.namespace.all();
        let made = within("a pod", pods.create(&PostParams::default(), &pod)).await;
        let made = made.unwrap_or_else(|error| panic!("pod {name} must be creatable: {error}"));
        RunningPod::new(&self.namespace, &made)
    }

    /// Creates a pod and waits until it is Ready.
    pub async fn ready_pod(&self, name: &str, manifest: Value) -> RunningPod {
        let pod = self.pod(name, manifest).await;
        pod.until("Ready", PodState::is_ready).await;
        pod
    }

    /// Deletes its pods, so that the next scenario has the machine, and waits until the kubelet
    /// has done so.
    pub async fn close(self) {
        let pods: Api<Pod> = self.namespace.all();
        let at_once = DeleteParams::default().grace_period(1);
        let all = ListParams::default();
        within("a deletion", pods.delete_collection(&at_once, &all))
            .await
            .expect("pods must be deletable");
        let mut left = Vec::new();
        let gone = timeout(KUBELET, async {
            loop {
                if let Ok(pods) = pods.list(&all).await {
                    left = pods
                        .items
                        .into_iter()
                        .filter_map(|pod| pod.metadata.name)
                        .collect();
                    if left.is_empty() {
                        break;
                    }
                }
                sleep(POLL).await;
            }
        });
        let gone = gone.await;
        assert!(
            gone.is_ok(),
            "still there {KUBELET:?} after their deletion: {left:?}"
        );
    }
}

/// Waits until the controllers have created the account of pods that name none.
async fn is_furnished(namespace: &Namespace) {
    let accounts: Api<ServiceAccount> = namespace.all();
    let mut last = "nothing".to_owned();
    let made = timeout(KUBELET, async {
        loop {
            match accounts.get_opt("default").await {
                Ok(Some(_)) => return,
                Ok(None) => "no account".clone_into(&mut last),
                Err(error) => last = error.to_string(),
            }
            sleep(POLL).await;
        }
    });
    let made = made.await;
    assert!(
        made.is_ok(),
        "the controllers have not made the account `default` of {} after {KUBELET:?}: {last}",
        namespace.name
    );
}
