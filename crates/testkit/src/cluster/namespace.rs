//! A test's own part of the API server.

use std::fmt;
use std::sync::atomic::{AtomicU32, Ordering};

use k8s_openapi::api::core::v1;
use kube::api::{ObjectMeta, Patch, PatchParams, PostParams};
use kube::core::NamespaceResourceScope;
use kube::{Api, Client, Resource};
use serde_json::json;

use super::{ApiServer, ControlPlane};
use crate::within;

/// A namespace, and the client of an administrator.
#[derive(Clone)]
pub struct Namespace {
    /// The name.
    pub name: String,
    /// The API server.
    pub api: ApiServer,
    /// The administrator's client.
    pub admin: Client,
}

// === impl Namespace ===

impl fmt::Debug for Namespace {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Namespace")
            .field("name", &self.name)
            .finish_non_exhaustive()
    }
}

impl Namespace {
    /// Creates a namespace in the API server that all tests share.
    pub async fn fresh(prefix: &str) -> Self {
        Self::fresh_in(ControlPlane::shared().await, prefix).await
    }

    /// Creates a namespace in this API server.
    pub async fn fresh_in(api: &ApiServer, prefix: &str) -> Self {
        Self::new(api, prefix, &[]).await
    }

    /// Creates a namespace with these labels in the API server that all tests share.
    pub async fn labelled(prefix: &str, labels: &[(&str, &str)]) -> Self {
        Self::new(ControlPlane::shared().await, prefix, labels).await
    }

    async fn new(api: &ApiServer, prefix: &str, labels: &[(&str, &str)]) -> Self {
        static NEXT: AtomicU32 = AtomicU32::new(0);
        let name = format!("{prefix}-{}", NEXT.fetch_add(1, Ordering::Relaxed));
        Self::named(api, &name, labels).await
    }

    /// Creates a namespace of this name.
    pub async fn named(api: &ApiServer, name: &str, labels: &[(&str, &str)]) -> Self {
        let admin = api.admin();
        let labels = labels
            .iter()
            .map(|&(key, value)| (key.to_owned(), value.to_owned()));
        let labels = labels.collect();
        let namespace = v1::Namespace {
            metadata: ObjectMeta {
                name: Some(name.to_owned()),
                labels: Some(labels),
                ..ObjectMeta::default()
            },
            ..v1::Namespace::default()
        };
        let namespaces = Api::all(admin.clone());
        within(
            "a namespace",
            namespaces.create(&PostParams::default(), &namespace),
        )
        .await
        .expect("a namespace must be creatable");
        Self {
            name: name.to_owned(),
            api: api.clone(),
            admin,
        }
    }

    /// Returns the API of a kind in this namespace.
    pub fn all<K>(&self) -> Api<K>
    where
        K: Resource<Scope = NamespaceResourceScope>,
        K::DynamicType: Default,
    {
        Api::namespaced(self.admin.clone(), &self.name)
    }

    /// Sets a label of the namespace, or removes it.
    pub async fn label(&self, key: &str, value: Option<&str>) {
        let namespaces = Api::<v1::Namespace>::all(self.admin.clone());
        let patch = Patch::Merge(json!({ "metadata": { "labels": { key: value } } }));
        let params = PatchParams::default();
        within("a label", namespaces.patch(&self.name, &params, &patch))
            .await
            .expect("a namespace must be patchable");
    }
}
