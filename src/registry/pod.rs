//! The part of a pod that the registry needs.
//!
//! k8s-openapi's type keeps every field. For a pod with several containers and old managed fields,
//! this type takes a tenth of that memory.

use std::borrow::Cow;
use std::collections::BTreeMap;

use k8s_openapi::NamespaceResourceScope;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::{ObjectMeta, Time};
use serde::{Deserialize, Deserializer, Serialize};

/// A pod. All other fields are skipped when it is read.
#[derive(Clone, Debug, Default, Deserialize, PartialEq, Serialize)]
pub struct Pod {
    /// The name, namespace, uid, resource version, labels, annotations, and the times of creation
    /// and deletion.
    #[serde(default, deserialize_with = "read_metadata")]
    pub metadata: ObjectMeta,
    /// The status that the kubelet reports.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub status: Option<Status>,
}

/// The status of a pod, which the kubelet reports.
#[derive(Clone, Debug, Default, Deserialize, Eq, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Status {
    /// The phase: Pending, Running, Succeeded, Failed or Unknown.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub phase: Option<String>,
    /// The main address of the pod.
    #[serde(default, rename = "podIP", skip_serializing_if = "Option::is_none")]
    pub pod_ip: Option<String>,
    /// The addresses of the pod, one for each IP family. The first is `pod_ip`.
    #[serde(default, rename = "podIPs", skip_serializing_if = "Option::is_none")]
    pub pod_ips: Option<Vec<PodIp>>,
    /// The conditions, of which Ready is read.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub conditions: Option<Vec<Condition>>,
}

/// An address of a pod.
#[derive(Clone, Debug, Default, Deserialize, Eq, PartialEq, Serialize)]
pub struct PodIp {
    /// The IP address, without a port.
    #[serde(default)]
    pub ip: String,
}

/// A condition of a pod.
#[derive(Clone, Debug, Default, Deserialize, Eq, PartialEq, Serialize)]
pub struct Condition {
    /// The name of the condition, such as Ready.
    #[serde(rename = "type")]
    pub kind: String,
    /// The state of the condition: True, False or Unknown.
    pub status: String,
}

/// The fields of [`ObjectMeta`] that are kept.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct KeptMetadata {
    name: Option<String>,
    namespace: Option<String>,
    uid: Option<String>,
    resource_version: Option<String>,
    creation_timestamp: Option<Time>,
    deletion_timestamp: Option<Time>,
    labels: Option<BTreeMap<String, String>>,
    annotations: Option<BTreeMap<String, String>>,
}

/// Reads the metadata and drops managedFields, which are often larger than all that is kept.
fn read_metadata<'de, D: Deserializer<'de>>(deserializer: D) -> Result<ObjectMeta, D::Error> {
    let kept = KeptMetadata::deserialize(deserializer)?;
    Ok(ObjectMeta {
        name: kept.name,
        namespace: kept.namespace,
        uid: kept.uid,
        resource_version: kept.resource_version,
        creation_timestamp: kept.creation_timestamp,
        deletion_timestamp: kept.deletion_timestamp,
        labels: kept.labels,
        annotations: kept.annotations,
        ..ObjectMeta::default()
    })
}

// === impl Pod ===

impl Pod {
    /// Returns the addresses of the pod in their order.
    pub fn ips(&self) -> Vec<&str> {
        let Some(status) = &self.status else {
            return Vec::new();
        };
        let all = status.pod_ips.iter().flatten().map(|pod_ip| &*pod_ip.ip);
        let mut ips: Vec<_> = all.filter(|ip| !ip.is_empty()).collect();
        if ips.is_empty() {
            ips.extend(status.pod_ip.as_deref().filter(|ip| !ip.is_empty()));
        }
        ips
    }

    /// Returns whether the pod is Ready: all its containers pass their readiness probes. Kubernetes
    /// sets Ready to False when the node stops answering.
    pub fn is_ready(&self) -> bool {
        let conditions = self.status.iter().flat_map(|status| &status.conditions);
        conditions
            .flatten()
            .any(|condition| condition.kind == "Ready" && condition.status == "True")
    }

    /// Returns whether the phase is Running. It also is Running during a crash loop.
    pub fn is_running(&self) -> bool {
        let phase = self
            .status
            .as_ref()
            .and_then(|status| status.phase.as_ref());
        phase.is_some_and(|phase| phase == "Running")
    }

    /// Returns whether the pod is being deleted: it ends within its grace period.
    pub fn is_terminating(&self) -> bool {
        self.metadata.deletion_timestamp.is_some()
    }

    /// Returns the value of an annotation.
    pub fn annotation(&self, key: &str) -> Option<&str> {
        let annotations = self.metadata.annotations.as_ref()?;
        annotations.get(key).map(String::as_str)
    }

    /// Returns the value of a label.
    pub fn label(&self, key: &str) -> Option<&str> {
        let labels = self.metadata.labels.as_ref()?;
        labels.get(key).map(String::as_str)
    }
}

impl kube::Resource for Pod {
    type DynamicType = ();
    type Scope = NamespaceResourceScope;

    fn kind(&(): &()) -> Cow<'_, str> {
        "Pod".into()
    }

    fn group(&(): &()) -> Cow<'_, str> {
        "".into()
    }

    fn version(&(): &()) -> Cow<'_, str> {
        "v1".into()
    }

    fn plural(&(): &()) -> Cow<'_, str> {
        "pods".into()
    }

    fn meta(&self) -> &ObjectMeta {
        &self.metadata
    }

    fn meta_mut(&mut self) -> &mut ObjectMeta {
        &mut self.metadata
    }
}

#[cfg(test)]
mod tests {
    use kube::Resource as _;
    use serde_json::json;

    use super::*;

    fn pod(value: serde_json::Value) -> Pod {
        serde_json::from_value(value).expect("must be a pod")
    }

    #[test]
    fn only_the_needed_fields_are_kept() {
        let pod = pod(json!({
            "apiVersion": "v1",
            "kind": "Pod",
            "metadata": {
                "name": "g-0", "namespace": "demo", "uid": "u", "resourceVersion": "7",
                "creationTimestamp": "2026-11-21T03:20:00Z",
                "labels": {"app": "g"}, "annotations": {"a": "b"},
                "managedFields": [{"manager": "kubelet", "operation": "Update"}],
                "ownerReferences": [{"apiVersion": "apps/v1", "kind": "ReplicaSet", "name": "g", "uid": "r"}],
            },
            "spec": {"containers": [{"name": "g", "image": "x"}]},
            "status": {
                "phase": "Running", "podIP": "10.0.0.1", "hostIP": "10.9.9.9",
                "podIPs": [{"ip": "10.0.0.1"}, {"ip": "fd00::1"}],
                "conditions": [{"type": "Ready", "status": "True", "lastProbeTime": null}],
            },
        }));
        assert_eq!(pod.metadata.managed_fields, None);
        assert_eq!(pod.metadata.owner_references, None);
        assert_eq!(pod.label("app"), Some("g"));
        assert_eq!(pod.annotation("a"), Some("b"));
        assert_eq!((pod.label("a"), pod.annotation("app")), (None, None));
        assert_eq!(pod.ips(), ["10.0.0.1", "fd00::1"]);
        assert!(pod.is_ready() && pod.is_running() && !pod.is_terminating());
        let again: Pod = serde_json::from_value(serde_json::to_value(&pod).unwrap()).unwrap();
        assert_eq!(again, pod);
    }

    #[test]
    fn a_pod_with_few_fields_is_neither_ready_nor_running() {
        for value in [
            json!({}),
            json!({"metadata": {}, "status": null}),
            json!({"status": {"conditions": null, "podIPs": null}}),
            json!({"status": {"phase": "Pending", "conditions": [{"type": "Ready", "status": "False"}]}}),
            json!({"status": {"phase": "Failed", "conditions": [{"type": "Initialized", "status": "True"}]}}),
        ] {
            let pod = pod(value);
            assert!(!pod.is_ready() && !pod.is_running() && !pod.is_terminating());
            assert!(pod.ips().is_empty());
        }
    }

    #[test]
    fn an_old_server_sends_one_address() {
        let pod = pod(json!({"status": {"podIP": "10.0.0.1"}}));
        assert_eq!(pod.ips(), ["10.0.0.1"]);
    }

    #[test]
    fn a_pod_with_a_deletion_timestamp_is_terminating() {
        let pod = pod(json!({"metadata": {"deletionTimestamp": "2026-11-21T03:20:00Z"}}));
        assert!(pod.is_terminating());
    }

    #[test]
    fn the_path_is_that_of_the_core_api() {
        let path = Pod::url_path(&(), Some("demo"));
        assert_eq!(path, "/api/v1/namespaces/demo/pods");
    }
}
