//! The service accounts of a namespace, and their permissions.

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

use super::{Namespace, parse_object};
use crate::{LOOK_AGAIN, within};

/// The verbs of the README's Role.
pub const ROLE: [&str; 3] = ["list", "patch", "watch"];

// === impl Namespace ===

impl Namespace {
    /// Creates an account that has these verbs for every pod of the namespace, or for the named pods.
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

    /// Gives these rules to an account, and waits until they take effect.
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
            self.rule_takes_effect(name, rule).await;
        }
    }

    /// Waits until an account has these verbs for pods, by a Role that was created in another way.
    pub async fn permissions_take_effect(&self, account: &str, verbs: &[&str]) {
        let rule = json!({ "apiGroups": [""], "resources": ["pods"], "verbs": verbs });
        self.rule_takes_effect(account, &rule).await;
    }

    /// Waits until the API server, which decides by a watched copy of the roles, knows the rule.
    pub async fn rule_takes_effect(&self, account: &str, rule: &Value) {
        within("the role to take effect", async {
            for verb in rule["verbs"].as_array().into_iter().flatten() {
                while !self.is_allowed(account, rule, verb).await {
                    sleep(LOOK_AGAIN).await;
                }
            }
        })
        .await;
    }

    async fn is_allowed(&self, account: &str, rule: &Value, verb: &Value) -> bool {
        let review: SubjectAccessReview = parse_object(json!({
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

    /// Creates an object.
    pub async fn create<K>(&self, object: Value) -> K
    where
        K: Resource<Scope = NamespaceResourceScope> + Clone + std::fmt::Debug,
        K: Serialize + DeserializeOwned,
        K::DynamicType: Default,
    {
        let objects = Api::<K>::namespaced(self.admin.clone(), &self.name);
        let object = parse_object(object);
        within(
            "a new object",
            objects.create(&PostParams::default(), &object),
        )
        .await
        .expect("an object must be creatable")
    }
}
