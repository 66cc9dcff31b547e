//! Service accounts and what they may do.

use k8s_openapi::api::authorization::v1::SubjectAccessReview;
use k8s_openapi::api::core::v1::ServiceAccount;
use k8s_openapi::api::rbac::v1::{Role, RoleBinding};
use kube::api::PostParams;
use kube::core::NamespaceResourceScope;
use kube::{Api, Resource};
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::{Value, json};
use tokio::time::sleep;

use super::{LOOK_AGAIN, Namespace, within};

/// What the README's role lets a sidecar do.
pub const ROLE: [&str; 3] = ["list", "patch", "watch"];

// === impl Namespace ===

impl Namespace {
    /// Makes an account that may do `verbs` with pods: with every pod here, or only with those named.
    pub async fn account(&self, name: &str, verbs: &[&str], only: &[&str]) {
        self.create::<ServiceAccount>(json!({ "metadata": { "name": name } }))
            .await;
        let mut rule = json!({ "apiGroups": [""], "resources": ["pods"], "verbs": verbs });
        if !only.is_empty() {
            rule["resourceNames"] = json!(only);
        }
        if verbs.is_empty() {
            return;
        }
        self.grant(name, json!([rule])).await;
    }

    /// Makes an account that may do what a manifest's Role says, here.
    pub async fn account_of(&self, name: &str, manifest: &str) {
        let role: Value = serde_saphyr::from_str(manifest).expect("a manifest must be YAML");
        assert_eq!(role["kind"], "Role");
        self.create::<ServiceAccount>(json!({ "metadata": { "name": name } }))
            .await;
        self.grant(name, role["rules"].clone()).await;
    }

    /// Lets an account do this.
    pub async fn grant(&self, name: &str, rules: Value) {
        let metadata = json!({ "name": name });
        self.create::<Role>(json!({ "metadata": metadata, "rules": rules }))
            .await;
        self.create::<RoleBinding>(json!({
            "metadata": metadata,
            "roleRef": { "apiGroup": "rbac.authorization.k8s.io", "kind": "Role", "name": name },
            "subjects": [{ "kind": "ServiceAccount", "name": name, "namespace": self.name }],
        }))
        .await;
        for rule in rules.as_array().into_iter().flatten() {
            self.rule_counts(name, rule).await;
        }
    }

    /// Waits until a role counts that was given another way: these verbs on pods.
    pub async fn counts(&self, account: &str, verbs: &[&str]) {
        let rule = json!({ "apiGroups": [""], "resources": ["pods"], "verbs": verbs });
        self.rule_counts(account, &rule).await;
    }

    /// The API server decides by a copy of the roles that a watch of its own keeps.
    async fn rule_counts(&self, account: &str, rule: &Value) {
        within("the role to count", async {
            for verb in rule["verbs"].as_array().into_iter().flatten() {
                while !self.may(account, rule, verb).await {
                    sleep(LOOK_AGAIN).await;
                }
            }
        })
        .await;
    }

    async fn may(&self, account: &str, rule: &Value, verb: &Value) -> bool {
        let review: SubjectAccessReview = parse(json!({
            "metadata": {},
            "spec": {
                "user": format!("system:serviceaccount:{}:{account}", self.name),
                "resourceAttributes": {
                    "namespace": self.name,
                    "group": rule["apiGroups"][0],
                    "resource": rule["resources"][0],
                    "verb": verb,
                    "name": rule["resourceNames"][0],
                },
            },
        }));
        let reviews = Api::all(self.admin.clone());
        let review = reviews.create(&PostParams::default(), &review).await;
        let review = review.expect("an administrator must be answered");
        review.status.is_some_and(|status| status.allowed)
    }

    /// Makes an object.
    pub async fn create<K>(&self, object: Value) -> K
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
        .expect("an object must be creatable")
    }
}

pub fn parse<T: DeserializeOwned>(object: Value) -> T {
    serde_json::from_value(object).expect("an object in the source must be valid")
}
