//! Tokens of service accounts, and their revocation.

use k8s_openapi::api::authentication::v1::TokenRequest;
use k8s_openapi::api::core::v1::{Pod, Secret, ServiceAccount};
use kube::Api;
use kube::api::{DeleteParams, ListParams, PostParams};
use serde_json::json;
use tokio::time::sleep;

use super::{Namespace, parse_object};
use crate::{LOOK_AGAIN, within};

// === impl Namespace ===

impl Namespace {
    /// Returns a token of the pod's account that names the pod, as the kubelet would request it.
    pub async fn token(&self, pod: &str) -> String {
        self.token_while(pod, "Pod", pod).await
    }

    /// Returns a token of the pod's account that names no pod and is valid until [`Self::revoke`].
    pub async fn revocable_token(&self, pod: &str, secret: &str) -> String {
        self.create::<Secret>(json!({ "metadata": { "name": secret } }))
            .await;
        self.token_while(pod, "Secret", secret).await
    }

    /// Revokes the token, and waits until it is refused, which takes seconds.
    pub async fn revoke(&self, secret: &str, token: &str) {
        let secrets = Api::<Secret>::namespaced(self.admin.clone(), &self.name);
        within(
            "a deletion",
            secrets.delete(secret, &DeleteParams::default()),
        )
        .await
        .expect("a secret must be deletable");
        let pods: Api<Pod> = Api::namespaced(self.api.client(token), &self.name);
        within("the token to be refused", async {
            while !matches!(pods.list(&ListParams::default()).await, Err(kube::Error::Api(status)) if status.code == 401)
            {
                sleep(LOOK_AGAIN).await;
            }
        })
        .await;
    }

    /// Returns a token of the pod's account that is valid while this object exists.
    async fn token_while(&self, pod: &str, kind: &str, name: &str) -> String {
        let request: TokenRequest = parse_object(json!({
            "metadata": {},
            "spec": {
                "audiences": [],
                "expirationSeconds": 3607,
                "boundObjectRef": { "apiVersion": "v1", "kind": kind, "name": name },
            },
        }));
        let pod = self.pod(pod).await.expect("the pod must exist");
        let account = pod.spec.and_then(|spec| spec.service_account_name);
        let account = account.expect("the pod must have an account");
        let accounts = Api::<ServiceAccount>::namespaced(self.admin.clone(), &self.name);
        let params = PostParams::default();
        let answer = accounts.create_token_request(&account, &params, &request);
        let answer = within("a token", answer).await;
        let status = answer
            .expect("an account's token must be obtainable")
            .status;
        let token = status.and_then(|status| status.token);
        token.expect("an answered request must hold a token")
    }
}
