//! Manifests that a program prints, applied in a namespace.

use kube::Api;
use kube::api::{ApiResource, DynamicObject, Patch, PatchParams};
use kube::core::GroupVersionKind;
use serde_json::Value;

use super::Namespace;
use crate::within;

// === impl Namespace ===

impl Namespace {
    /// Applies documents.
    pub async fn apply_manifest(&self, yaml: &str) {
        let documents: Vec<Value> = serde_saphyr::from_multiple(yaml)
            .unwrap_or_else(|error| panic!("not YAML: {error}\n{yaml}"));
        assert!(!documents.is_empty(), "{yaml}");
        for document in documents {
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
        let objects: Api<DynamicObject> = Api::namespaced_with(admin, &self.name, &resource);
        let params = PatchParams::apply("operator").force();
        let patch = Patch::Apply(&document);
        let applied = within("a manifest", objects.patch(&name, &params, &patch)).await;
        applied.unwrap_or_else(|error| panic!("{kind} {name}: {error}"));
    }
}
