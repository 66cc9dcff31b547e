//! Pods as the scheduler, the kubelet and an operator would leave them. There is no node: the tests
//! write what a kubelet would report.

use std::net::{IpAddr, Ipv4Addr};

use k8s_openapi::api::core::v1::Pod;
use kube::Api;
use kube::api::{DeleteParams, Patch, PatchParams, PostParams};
use serde_json::{Value, json};

use super::Namespace;
use crate::within;

/// The address that the Go clients register. No pod has it.
pub const IP: IpAddr = IpAddr::V4(Ipv4Addr::new(10, 1, 0, 112));

// === impl Namespace ===

impl Namespace {
    /// Returns the API of pods.
    pub fn pods(&self) -> Api<Pod> {
        self.all()
    }

    /// Creates a pod of this account that is scheduled and has not started: Pending, without an address.
    pub async fn pending_pod(&self, name: &str, account: &str) -> Pod {
        let pod = json!({
            "metadata": { "name": name },
            "spec": {
                "nodeName": "node-1",
                "serviceAccountName": account,
                "containers": [{ "name": "app", "image": "greeter" }],
            },
        });
        let pod = serde_json::from_value(pod).expect("a constant pod must be one");
        within("a pod", self.pods().create(&PostParams::default(), &pod))
            .await
            .expect("a pod must be creatable")
    }

    /// Creates a pod that is Running, has an address and is Ready.
    pub async fn running_pod(&self, name: &str, account: &str, ip: IpAddr) -> Pod {
        self.pending_pod(name, account).await;
        self.run_pod(name, ip).await
    }

    /// Reports, as the kubelet does, that the containers have started.
    pub async fn run_pod(&self, name: &str, ip: IpAddr) -> Pod {
        let status = json!({
            "phase": "Running",
            "podIP": ip,
            "podIPs": [{ "ip": ip }],
            "conditions": [{ "type": "Ready", "status": "True" }],
        });
        self.report(name, status).await
    }

    /// Reports, as the kubelet does, that readiness has changed.
    pub async fn set_ready(&self, name: &str, ready: bool) -> Pod {
        let status = if ready { "True" } else { "False" };
        self.report(
            name,
            json!({ "conditions": [{ "type": "Ready", "status": status }] }),
        )
        .await
    }

    /// Merges a patch into the pod's status.
    pub async fn report(&self, name: &str, status: Value) -> Pod {
        let patch = Patch::Merge(json!({ "status": status }));
        let pods = self.pods();
        let params = PatchParams::default();
        within("a status", pods.patch_status(name, &params, &patch))
            .await
            .expect("a pod's status must be patchable")
    }

    /// Merges a patch into the pod, as a foreign writer.
    pub async fn patch_pod(&self, name: &str, patch: Value) -> Pod {
        let pods = self.pods();
        let (params, patch) = (PatchParams::default(), Patch::Merge(patch));
        within("a patch", pods.patch(name, &params, &patch))
            .await
            .expect("a pod must be patchable")
    }

    /// Returns the pod, if it exists.
    pub async fn pod(&self, name: &str) -> Option<Pod> {
        within("a pod", self.pods().get_opt(name))
            .await
            .expect("an administrator must be answered")
    }

    /// Deletes the pod gracefully. Without a kubelet that reports its end, it stays, with a
    /// deletionTimestamp.
    pub async fn terminate_pod(&self, name: &str) {
        self.delete_pod(name, 3600).await;
    }

    /// Deletes the pod at once.
    pub async fn remove_pod(&self, name: &str) {
        self.delete_pod(name, 0).await;
    }

    async fn delete_pod(&self, name: &str, grace_seconds: u32) {
        let params = DeleteParams::default().grace_period(grace_seconds);
        within("a deletion", self.pods().delete(name, &params))
            .await
            .expect("a pod must be deletable");
    }
}
