//! Owners, pods and slices as the controllers would write them, and the viewer's account.

use k8s_openapi::api::core::v1::{Pod, Service};
use k8s_openapi::api::discovery::v1::EndpointSlice;
use k8s_openapi::api::rbac::v1::RoleBinding;
use kube::api::DeleteParams;
use kube::core::NamespaceResourceScope;
use kube::{Api, Resource};
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::{Value, json};
use testkit::cluster::{IP, Identity, Namespace};
use testkit::within;
use tokio::time::sleep;

use crate::rig::{documented, health};

/// The name of the viewer's account.
const VIEWER: &str = "viewer";

pub const NO_LABELS: Value = Value::Null;

/// A namespace, with a pod whose account has the Role.
pub struct Cluster {
    pub namespace: Namespace,
    pub viewer: Identity,
}

// === impl Cluster ===

impl Cluster {
    pub async fn fresh(prefix: &str) -> Self {
        Self::new(Namespace::fresh(prefix).await).await
    }

    pub async fn new(namespace: Namespace) -> Self {
        namespace.account(VIEWER, &[], &[]).await;
        documented::apply("catalog/role.yaml", &namespace, VIEWER).await;
        let slices = json!({ "apiGroups": ["discovery.k8s.io"], "resources": ["endpointslices"], "verbs": ["list", "watch"] });
        namespace.rule_takes_effect(VIEWER, &slices).await;
        namespace.running_pod("viewer-0", VIEWER, IP).await;
        let viewer = namespace.identity("viewer-0").await;
        Self { namespace, viewer }
    }

    /// Returns the viewer's token.
    pub async fn token(&self) -> String {
        self.namespace.token("viewer-0").await
    }

    /// Creates an object that owns pods, and returns a reference to it.
    pub async fn owner<K>(&self, name: &str) -> Value
    where
        K: Resource<Scope = NamespaceResourceScope> + Clone + std::fmt::Debug,
        K: Serialize + DeserializeOwned,
        K::DynamicType: Default,
    {
        let labels = json!({ "name": name });
        let template = json!({
            "metadata": { "labels": labels },
            "spec": { "containers": [{ "name": "app", "image": "app" }] },
        });
        let kind = K::kind(&K::DynamicType::default()).into_owned();
        let selector = if kind == "ReplicationController" {
            labels
        } else {
            json!({ "matchLabels": labels })
        };
        let mut spec = json!({ "selector": selector, "template": template });
        if kind == "StatefulSet" {
            spec["serviceName"] = name.into();
        }
        let object = json!({ "metadata": { "name": name }, "spec": spec });
        let made = self.namespace.create::<K>(object).await;
        json!({
            "apiVersion": K::api_version(&K::DynamicType::default()),
            "kind": kind,
            "name": name,
            "uid": made.meta().uid,
            "controller": true,
        })
    }

    /// Creates a pod and returns its uid.
    pub async fn pod(&self, name: &str, owner: Option<&Value>, labels: Value) -> String {
        let owners: Vec<_> = owner.into_iter().collect();
        let object = json!({
            "metadata": { "name": name, "labels": labels, "ownerReferences": owners },
            "spec": {
                "nodeName": "node-1",
                "serviceAccountName": VIEWER,
                "containers": [{ "name": "app", "image": "app" }],
            },
        });
        let made = self.namespace.create::<Pod>(object).await;
        made.metadata.uid.expect("an object must have a uid")
    }

    /// Returns a ready endpoint.
    pub fn ready(&self, ip: &str, pod: Option<(&str, &str)>) -> Value {
        let target = pod.map(|(name, uid)| {
            let namespace = &self.namespace.name;
            json!({ "kind": "Pod", "namespace": namespace, "name": name, "uid": uid })
        });
        let conditions = json!({ "ready": true, "serving": true, "terminating": false });
        json!({ "addresses": [ip], "conditions": conditions, "targetRef": target })
    }

    /// Creates a slice of a service; with the first slice also the service.
    pub async fn slice(&self, name: &str, service: &str, ports: &str, endpoints: Vec<Value>) {
        let services =
            Api::<Service>::namespaced(self.namespace.admin.clone(), &self.namespace.name);
        let there = within("a service", services.get_opt(service)).await;
        if there.expect("an administrator must be answered").is_none() {
            let spec = json!({ "selector": { "service": service }, "ports": [{ "port": 5000 }] });
            let object = json!({ "metadata": { "name": service }, "spec": spec });
            self.namespace.create::<Service>(object).await;
        }
        let ports: Value = serde_json::from_str(ports).expect("ports in the source must be JSON");
        let labels = json!({ "kubernetes.io/service-name": service });
        let object = json!({
            "metadata": { "name": name, "labels": labels },
            "addressType": "IPv4",
            "ports": ports,
            "endpoints": endpoints,
        });
        self.namespace.create::<EndpointSlice>(object).await;
    }

    pub async fn delete_slice(&self, name: &str) {
        let slices =
            Api::<EndpointSlice>::namespaced(self.namespace.admin.clone(), &self.namespace.name);
        let params = DeleteParams::default();
        let deleted = slices.delete(name, &params);
        within("a deletion", deleted)
            .await
            .expect("a slice must be deletable");
    }

    /// Removes the viewer's Role and waits until that takes effect.
    pub async fn revoke(&self) {
        let bindings =
            Api::<RoleBinding>::namespaced(self.namespace.admin.clone(), &self.namespace.name);
        let params = DeleteParams::default();
        let deleted = bindings.delete("micro-health-catalog-viewer", &params);
        within("a deletion", deleted)
            .await
            .expect("a binding must be deletable");
        within("the revocation to count", async {
            while health(&self.viewer, &["services"], &[]).await.0 == 0 {
                sleep(std::time::Duration::from_millis(5)).await;
            }
        })
        .await;
    }
}
