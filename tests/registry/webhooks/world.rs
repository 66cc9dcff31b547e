//! A pod whose writes an admission webhook reviews.

use k8s_openapi::ByteString;
use k8s_openapi::api::admissionregistration::v1::{
    MutatingWebhookConfiguration, ValidatingWebhookConfiguration,
};
use kube::api::{DeleteParams, Patch, PatchParams, PostParams};
use kube::{Api, Resource};
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::{Value, json};
use testkit::cluster::{IP, Identity, Namespace, ROLE, parse_object};
use testkit::greeter::Greeter;
use testkit::webhook::{Verdict, Webhook};
use testkit::{LOOK_AGAIN, within};
use tokio::time::sleep;

use crate::rig::Sidecar;

/// A namespace with the pod `greeter-0`, its service, and a webhook for the updates of its pods.
pub struct World {
    pub namespace: Namespace,
    identity: Identity,
    greeter: Greeter,
    webhook: Webhook,
}

// === impl World ===

impl World {
    /// Creates the pod, and waits until the webhook decides about it.
    pub async fn start<K>(review: impl Fn(&Value) -> Verdict + Send + Sync + 'static) -> Self
    where
        K: Resource<DynamicType = ()> + Clone + std::fmt::Debug + Serialize + DeserializeOwned,
    {
        let namespace = Namespace::fresh("webhook").await;
        namespace.account("greeter", &ROLE, &[]).await;
        namespace.running_pod("greeter-0", "greeter", IP).await;
        let identity = namespace.identity("greeter-0").await;
        let mut greeter = Greeter::reserve();
        greeter.start();
        let webhook = Webhook::start(review).await;
        let world = Self {
            namespace,
            identity,
            greeter,
            webhook,
        };
        world.configure::<K>().await;
        world
    }

    async fn configure<K>(&self)
    where
        K: Resource<DynamicType = ()> + Clone + std::fmt::Debug + Serialize + DeserializeOwned,
    {
        let name = &self.namespace.name;
        let ca = ByteString(self.webhook.ca.clone().into_bytes());
        let url = format!("https://{}/review", self.webhook.address);
        let configuration = json!({
            "metadata": { "name": name },
            "webhooks": [{
                "name": "pods.example.com",
                "clientConfig": { "url": url, "caBundle": ca },
                "rules": [{
                    "apiGroups": [""], "apiVersions": ["v1"],
                    "operations": ["UPDATE"], "resources": ["pods"],
                }],
                "namespaceSelector": { "matchLabels": { "kubernetes.io/metadata.name": name } },
                "admissionReviewVersions": ["v1"],
                "sideEffects": "None",
                "timeoutSeconds": 5,
            }],
        });
        let configuration: K = parse_object(configuration);
        let api = Api::<K>::all(self.namespace.admin.clone());
        let params = PostParams::default();
        let created = api.create(&params, &configuration);
        within("a webhook", created).await.unwrap();
        within("the webhook to be called", async {
            while !self.is_called().await {
                sleep(LOOK_AGAIN).await;
            }
        })
        .await;
    }

    /// Returns whether the API server asks the webhook about a write.
    async fn is_called(&self) -> bool {
        let before = self.reviews();
        let _ = write(&self.namespace).await;
        self.reviews() > before
    }

    /// Removes the configuration of the webhook.
    pub async fn remove<K>(&self)
    where
        K: Resource<DynamicType = ()> + Clone + std::fmt::Debug + DeserializeOwned,
    {
        let api = Api::<K>::all(self.namespace.admin.clone());
        let params = DeleteParams::default();
        let deleted = api.delete(&self.namespace.name, &params);
        within("a deletion", deleted).await.unwrap();
        within("the webhook to be left out", async {
            while self.is_called().await {
                sleep(LOOK_AGAIN).await;
            }
        })
        .await;
    }

    /// Starts the sidecar.
    pub async fn sidecar(&self, flags: &[&str]) -> Sidecar {
        Sidecar::start(&self.identity, self.greeter.address(), flags).await
    }

    /// Returns the number of writes that the webhook has reviewed.
    fn reviews(&self) -> usize {
        self.webhook.reviews()
    }
}

/// The kind of webhook that may change a request.
pub type Mutating = MutatingWebhookConfiguration;

/// The kind of webhook that may only deny a request.
pub type Validating = ValidatingWebhookConfiguration;

/// Waits until the API server denies a write to the pod.
pub async fn denies(namespace: &Namespace) {
    within("the policy to apply", async {
        while write(namespace).await.is_ok() {
            sleep(LOOK_AGAIN).await;
        }
    })
    .await;
}

/// Writes a note to the pod, without an effect.
async fn write(namespace: &Namespace) -> Result<(), kube::Error> {
    let note = Patch::Merge(json!({ "metadata": { "annotations": { "example.com/a": "b" } } }));
    let params = PatchParams {
        dry_run: true,
        ..PatchParams::default()
    };
    let pods = namespace.pods();
    let written = within("a write", pods.patch("greeter-0", &params, &note)).await;
    written.map(drop)
}
