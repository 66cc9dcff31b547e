//! Service accounts, what they may do, and their tokens.

use k8s_openapi::api::authentication::v1::TokenRequest;
use k8s_openapi::api::authorization::v1::SubjectAccessReview;
use k8s_openapi::api::core::v1::{Pod, Secret, ServiceAccount};
use k8s_openapi::api::rbac::v1::{Role, RoleBinding};
use kube::api::{DeleteParams, ListParams, PostParams};
use kube::core::NamespaceResourceScope;
use kube::{Api, Resource};
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::{Value, json};
use tokio::time::sleep;

use super::{Identity, LOOK_AGAIN, Namespace, within};

/// What the README's role lets a sidecar do.
pub const ROLE: [&str; 3] = ["list", "patch", "watch"];

// === impl Namespace ===

impl Namespace {
    /// Makes an account that may do `verbs` with pods: with every pod here, or only with those named.
    pub async fn account(&self, name: &str, verbs: &[&str], only: &[&str]) {
        let metadata = json!({ "name": name });
        self.create::<ServiceAccount>(json!({ "metadata": metadata }))
            .await;
        let mut rule = json!({ "apiGroups": [""], "resources": ["pods"], "verbs": verbs });
        if !only.is_empty() {
            rule["resourceNames"] = json!(only);
        }
        if verbs.is_empty() {
            return;
        }
        self.create::<Role>(json!({ "metadata": metadata, "rules": [rule] }))
            .await;
        self.create::<RoleBinding>(json!({
            "metadata": metadata,
            "roleRef": { "apiGroup": "rbac.authorization.k8s.io", "kind": "Role", "name": name },
            "subjects": [{ "kind": "ServiceAccount", "name": name, "namespace": self.name }],
        }))
        .await;
        self.may_do(name, verbs, only.first()).await;
    }

    /// Waits until a role counts that was given another way.
    pub async fn counts(&self, account: &str, verbs: &[&str]) {
        self.may_do(account, verbs, None).await;
    }

    /// The API server decides by a copy of the roles that a watch of its own keeps.
    async fn may_do(&self, account: &str, verbs: &[&str], pod: Option<&&str>) {
        within("the role to count", async {
            for verb in verbs {
                while !self.may(account, verb, pod).await {
                    sleep(LOOK_AGAIN).await;
                }
            }
        })
        .await;
    }

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

    /// What a process in the pod is given.
    pub async fn identity(&self, pod: &str) -> Identity {
        Identity::new(self, pod, &self.token(pod).await)
    }

    async fn may(&self, account: &str, verb: &str, pod: Option<&&str>) -> bool {
        let review: SubjectAccessReview = parse(json!({
            "metadata": {},
            "spec": {
                "user": format!("system:serviceaccount:{}:{account}", self.name),
                "resourceAttributes": {
                    "namespace": self.name, "resource": "pods", "verb": verb, "name": pod,
                },
            },
        }));
        let reviews = Api::all(self.admin.clone());
        let review = reviews.create(&PostParams::default(), &review).await;
        let review = review.expect("an administrator must be answered");
        review.status.is_some_and(|status| status.allowed)
    }

    async fn create<K>(&self, object: Value)
    where
        K: Resource<Scope = NamespaceResourceScope> + Clone + std::fmt::Debug,
        K: Serialize + DeserializeOwned,
        K::DynamicType: Default,
    {
        let objects = Api::<K>::namespaced(self.admin.clone(), &self.name);
        let object = parse(object);
        within(
            "a new object",
            objects.create(&PostParams::default(), &object),
        )
        .await
        .expect("an object must be creatable");
    }
}

fn parse<T: DeserializeOwned>(object: Value) -> T {
    serde_json::from_value(object).expect("an object in the source must be valid")
}
