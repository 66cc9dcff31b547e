//! Tokens of service accounts, and their end.

use k8s_openapi::api::authentication::v1::TokenRequest;
use k8s_openapi::api::core::v1::{Pod, Secret, ServiceAccount};
use kube::Api;
use kube::api::{DeleteParams, ListParams, PostParams};
use serde_json::json;
use tokio::time::sleep;

use super::accounts::parse;
use super::{LOOK_AGAIN, Namespace, within};

// === impl Namespace ===

impl Namespace {
    /// A token of the pod's account that says which pod it is for, as the kubelet would ask for.
    pub async fn token(&self, pod: &str) -> String {
        self.token_while(pod, "Pod", pod).await
    }

    /// A token of the pod's account that says nothing of a pod, and is good until [`Self::revoke`].
    pub async fn revocable_token(&self, pod: &str, secret: &str) -> String {
        self.create::<Secret>(json!({ "metadata": { "name": secret } }))
            .await;
        self.token_while(pod, "Secret", secret).await
    }

    /// The token is not taken any more, seconds later.
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

    /// A token of the pod's account that is good while this object exists.
    async fn token_while(&self, pod: &str, kind: &str, name: &str) -> String {
        let request: TokenRequest = parse(json!({
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
