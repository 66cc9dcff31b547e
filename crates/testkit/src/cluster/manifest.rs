//! Manifests, applied as by `kubectl apply -n NAMESPACE -f`.

use kube::Api;
use kube::api::{ApiResource, DynamicObject, Patch, PatchParams};
use kube::core::GroupVersionKind;
use serde_json::{Value, json};

use super::Namespace;
use crate::within;

/// The folder of the published manifests.
const FOLDER: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../../k8s");

/// The kinds in that folder that are in no namespace.
const CLUSTER_WIDE: [&str; 3] = [
    "ClusterRole",
    "ValidatingAdmissionPolicy",
    "ValidatingAdmissionPolicyBinding",
];

// === impl Namespace ===

impl Namespace {
    /// Applies a file of k8s/, bound to this account.
    pub async fn apply_file(&self, path: &str, account: &str) {
        let path = format!("{FOLDER}/{path}");
        let yaml = std::fs::read_to_string(&path).expect("a manifest must be readable");
        self.apply_manifest(&yaml, Some(account)).await;
    }

    /// Applies documents, bound to another account if one is named.
    pub async fn apply_manifest(&self, yaml: &str, account: Option<&str>) {
        let documents: Vec<Value> = serde_saphyr::from_multiple(yaml)
            .unwrap_or_else(|error| panic!("not YAML: {error}\n{yaml}"));
        assert!(!documents.is_empty(), "{yaml}");
        for mut document in documents {
            if let (Some(account), Some(subject)) = (account, document.pointer_mut("/subjects/0")) {
                // As kustomize does.
                subject["name"] = json!(account);
                subject["namespace"] = json!(self.name);
            }
            self.apply_one(document).await;
        }
    }

    async fn apply_one(&self, document: Value) {
        let text = |pointer: &str| {
            let text = document.pointer(pointer).and_then(Value::as_str);
            text.unwrap_or_else(|| panic!("no {pointer} in {document}"))
                .to_owned()
        };
        let (version, kind, name) = (text("/apiVersion"), text("/kind"), text("/metadata/name"));
        let (group, version) = version.split_once('/').unwrap_or(("", &version));
        let resource = ApiResource::from_gvk(&GroupVersionKind::gvk(group, version, &kind));
        let admin = self.admin.clone();
        let objects: Api<DynamicObject> = if CLUSTER_WIDE.contains(&&*kind) {
            Api::all_with(admin, &resource)
        } else {
            Api::namespaced_with(admin, &self.name, &resource)
        };
        let params = PatchParams::apply("operator").force();
        let patch = Patch::Apply(&document);
        let applied = within("a manifest", objects.patch(&name, &params, &patch)).await;
        applied.unwrap_or_else(|error| panic!("{kind} {name}: {error}"));
    }
}
