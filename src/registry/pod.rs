//! As much of a pod as the registry needs.
//!
//! k8s-openapi's type keeps everything; of a pod with several containers and a few years
//! of field managers this is a tenth.

use std::borrow::Cow;
use std::collections::BTreeMap;

use k8s_openapi::NamespaceResourceScope;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::{ObjectMeta, Time};
use serde::{Deserialize, Deserializer, Serialize};

/// A pod; all other fields are skipped as it is read.
#[derive(Clone, Debug, Default, Deserialize, PartialEq, Serialize)]
pub struct Pod {
    /// Name, uid, labels and annotations, when it was made, and whether it goes.
    #[serde(default, deserialize_with = "without_the_rest")]
    pub metadata: ObjectMeta,
    /// What the kubelet says of it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub status: Option<Status>,
}

/// What the kubelet says of a pod.
#[derive(Clone, Debug, Default, Deserialize, Eq, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Status {
    /// Pending, Running, Succeeded, Failed or Unknown.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub phase: Option<String>,
    /// Its first address.
    #[serde(default, rename = "podIP", skip_serializing_if = "Option::is_none")]
    pub pod_ip: Option<String>,
    /// All of them, one per family; the first is the one above.
    #[serde(default, rename = "podIPs", skip_serializing_if = "Option::is_none")]
    pub pod_ips: Option<Vec<PodIp>>,
    /// Ready and others.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub conditions: Option<Vec<Condition>>,
}

/// One address.
#[derive(Clone, Debug, Default, Deserialize, Eq, PartialEq, Serialize)]
pub struct PodIp {
    /// Without a port.
    #[serde(default)]
    pub ip: String,
}

/// One condition.
#[derive(Clone, Debug, Default, Deserialize, Eq, PartialEq, Serialize)]
pub struct Condition {
    /// Its name.
    #[serde(rename = "type")]
    pub kind: String,
    /// True, False or Unknown.
    pub status: String,
}

/// The fields of [`ObjectMeta`] that are read at all.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Kept {
    name: Option<String>,
    namespace: Option<String>,
    uid: Option<String>,
    resource_version: Option<String>,
    creation_timestamp: Option<Time>,
    deletion_timestamp: Option<Time>,
    labels: Option<BTreeMap<String, String>>,
    annotations: Option<BTreeMap<String, String>>,
}

/// managedFields alone is often larger than all that is kept.
fn without_the_rest<'de, D: Deserializer<'de>>(deserializer: D) -> Result<ObjectMeta, D::Error> {
    let kept = Kept::deserialize(deserializer)?;
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
    /// Its addresses, the first first.
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

    /// Whether all its containers pass their readiness probes; also False once the node
    /// stops answering.
    pub fn is_ready(&self) -> bool {
        let conditions = self.status.iter().flat_map(|status| &status.conditions);
        conditions
            .flatten()
            .any(|condition| condition.kind == "Ready" && condition.status == "True")
    }

    /// Whether its phase is Running, as it also is in a crash loop.
    pub fn is_running(&self) -> bool {
        let phase = self
            .status
            .as_ref()
            .and_then(|status| status.phase.as_ref());
        phase.is_some_and(|phase| phase == "Running")
    }

    /// Whether it was asked to go, and goes within its grace period.
    pub fn is_terminating(&self) -> bool {
        self.metadata.deletion_timestamp.is_some()
    }

    /// An annotation's value.
    pub fn annotation(&self, key: &str) -> Option<&str> {
        let annotations = self.metadata.annotations.as_ref()?;
        annotations.get(key).map(String::as_str)
    }

    /// A label's value.
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
    fn only_what_is_needed_is_kept() {
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
    fn a_pod_that_says_little_is_neither_ready_nor_running() {
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
    fn an_old_server_tells_one_address() {
        let pod = pod(json!({"status": {"podIP": "10.0.0.1"}}));
        assert_eq!(pod.ips(), ["10.0.0.1"]);
    }

    #[test]
    fn a_deletion_timestamp_means_that_it_goes() {
        let pod = pod(json!({"metadata": {"deletionTimestamp": "2026-11-21T03:20:00Z"}}));
        assert!(pod.is_terminating());
    }

    #[test]
    fn its_path_is_the_core_api_s() {
        let path = Pod::url_path(&(), Some("demo"));
        assert_eq!(path, "/api/v1/namespaces/demo/pods");
    }
}
