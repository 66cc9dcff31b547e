//! Services, their slices and Endpoints as the controllers of a cluster would leave them.

use k8s_openapi::api::core::v1::{Endpoints, Service, ServiceAccount};
use k8s_openapi::api::discovery::v1::EndpointSlice;
use k8s_openapi::api::rbac::v1::{Role, RoleBinding};
use kube::Api;
use kube::api::{DeleteParams, Patch, PatchParams};
use kube::core::NamespaceResourceScope;
use serde::de::DeserializeOwned;
use serde_json::{Value, json};

use super::{IP, Identity, Namespace};
use crate::within;

/// The name of the Service that the tests resolve.
pub const SERVICE: &str = "greeter";

// === impl Namespace ===

impl Namespace {
    /// Creates or replaces a slice of the Service, with ports `grpc` 50051 and `metrics` 9090.
    ///
    /// An endpoint has a short form: `10.99.0.1` is ready, `!10.99.0.1` is not, and `?10.99.0.1` has
    /// no conditions. Commas separate the addresses of one endpoint.
    pub async fn slice(&self, name: &str, endpoints: &[&str]) {
        let family = if endpoints.iter().any(|it| it.contains("::")) {
            "IPv6"
        } else {
            "IPv4"
        };
        let endpoints: Value = endpoints.iter().map(|it| endpoint(it)).collect();
        self.apply::<EndpointSlice>(
            name,
            json!({
                "apiVersion": "discovery.k8s.io/v1",
                "kind": "EndpointSlice",
                "metadata": { "labels": { "kubernetes.io/service-name": SERVICE } },
                "addressType": family,
                "endpoints": endpoints,
                "ports": [
                    { "name": "grpc", "port": 50051, "protocol": "TCP" },
                    { "name": "metrics", "port": 9090, "protocol": "TCP" },
                ],
            }),
        )
        .await;
    }

    /// Deletes a slice.
    pub async fn delete_slice(&self, name: &str) {
        let slices = Api::<EndpointSlice>::namespaced(self.admin.clone(), &self.name);
        let params = DeleteParams::default();
        within("a deletion", slices.delete(name, &params))
            .await
            .expect("a slice must be deletable");
    }

    /// Creates or replaces the Endpoints of the Service, which old clients read.
    pub async fn endpoints(&self, ready: &[&str]) {
        let addresses: Value = ready.iter().map(|ip| json!({ "ip": ip })).collect();
        let subset = json!({
            "addresses": addresses,
            "ports": [{ "name": "grpc", "port": 50051 }, { "name": "metrics", "port": 9090 }],
        });
        let subsets = if ready.is_empty() {
            json!([])
        } else {
            json!([subset])
        };
        self.apply::<Endpoints>(
            SERVICE,
            json!({
                "apiVersion": "v1", "kind": "Endpoints", "metadata": {}, "subsets": subsets,
            }),
        )
        .await;
    }

    /// Creates or replaces a Service with this spec.
    pub async fn service(&self, name: &str, spec: Value) {
        let service =
            json!({ "apiVersion": "v1", "kind": "Service", "metadata": {}, "spec": spec });
        self.apply::<Service>(name, service).await;
    }

    /// Creates a pod whose account has these rules, and returns the identity of its processes.
    pub async fn pod_with_rules(&self, name: &str, rules: Value) -> Identity {
        let kind = |kind: &str| json!({ "apiVersion": "rbac.authorization.k8s.io/v1", "kind": kind, "metadata": {} });
        self.apply::<ServiceAccount>(
            name,
            json!({ "apiVersion": "v1", "kind": "ServiceAccount", "metadata": {} }),
        )
        .await;
        let mut role = kind("Role");
        role["rules"] = rules;
        self.apply::<Role>(name, role).await;
        let mut binding = kind("RoleBinding");
        binding["roleRef"] =
            json!({ "apiGroup": "rbac.authorization.k8s.io", "kind": "Role", "name": name });
        binding["subjects"] =
            json!([{ "kind": "ServiceAccount", "name": name, "namespace": self.name }]);
        self.apply::<RoleBinding>(name, binding).await;
        self.running_pod(name, name, IP).await;
        self.identity(name).await
    }

    /// Creates or replaces an object, as `kubectl apply --server-side --force-conflicts` would.
    async fn apply<K>(&self, name: &str, mut object: Value)
    where
        K: kube::Resource<Scope = NamespaceResourceScope>
            + Clone
            + std::fmt::Debug
            + DeserializeOwned,
        K::DynamicType: Default,
    {
        object["metadata"]["name"] = json!(name);
        let objects = Api::<K>::namespaced(self.admin.clone(), &self.name);
        let params = PatchParams::apply("rig").force();
        within(
            "an object",
            objects.patch(name, &params, &Patch::Apply(&object)),
        )
        .await
        .expect("an object in the source must be valid");
    }
}

fn endpoint(text: &str) -> Value {
    let conditions = match text.as_bytes()[0] {
        b'!' => json!({ "ready": false, "serving": false, "terminating": false }),
        b'?' => json!({}),
        _ => json!({ "ready": true, "serving": true, "terminating": false }),
    };
    let addresses: Vec<_> = text.trim_start_matches(['!', '?']).split(',').collect();
    json!({ "addresses": addresses, "conditions": conditions })
}
