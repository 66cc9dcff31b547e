//! A namespace in which the policies apply, with two pods of one account.

use std::net::{IpAddr, Ipv4Addr};

use http::Request;
use serde_json::{Value, json};
use testkit::cluster::{IP, Namespace};
use testkit::{LOOK_AGAIN, within};
use tokio::sync::OnceCell;
use tokio::time::sleep;

use crate::rig::documented;

/// The address of the other pod.
pub const OTHER_IP: IpAddr = IpAddr::V4(Ipv4Addr::new(10, 1, 0, 113));

/// The label of namespaces in which the policies apply.
pub const OWN_POD_ONLY: &str = "micro-health/own-pod-only";

/// The label that leaves out the policy for addresses.
pub const ANY_ADDRESS: &str = "micro-health/any-address";

/// The label that leaves out the policy for node ids.
pub const ANY_NODE_ID: &str = "micro-health/any-node-id";

/// The kinds of patches, and of a PUT.
pub const STRATEGIC: &str = "application/strategic-merge-patch+json";
pub const MERGE: &str = "application/merge-patch+json";
pub const JSON: &str = "application/json-patch+json";
pub const APPLY: &str = "application/apply-patch+yaml";
pub const PUT: &str = "application/json";

/// The answer of the API server: the object, or its refusal.
pub type Answer = Result<Value, String>;

/// A namespace with the pods `greeter-0` and `other-0` of the account `greeter`, which may do more
/// than the published Roles allow, so that the policies alone refuse.
pub struct World {
    pub namespace: Namespace,
    pub token: String,
    pub uid: String,
}

// === impl World ===

impl World {
    pub async fn new(prefix: &str) -> Self {
        let namespace = Namespace::fresh(prefix).await;
        namespace.account("greeter", &[], &[]).await;
        namespace.grant("greeter", rules()).await;
        let pod = namespace.running_pod("greeter-0", "greeter", IP).await;
        namespace.running_pod("other-0", "greeter", OTHER_IP).await;
        let standing = json!({ "metadata": {
            "labels": { "app": "greeter" },
            "annotations": { "example.com/note": "kept" },
            "finalizers": ["example.com/stay"],
        } });
        namespace.patch_pod("greeter-0", standing).await;
        let token = namespace.token("greeter-0").await;
        own_pods_only(&namespace, &token).await;
        let world = Self {
            namespace,
            token,
            uid: pod.metadata.uid.unwrap(),
        };
        world.policies_apply().await;
        within("the policy for subresources to apply", async {
            while world.try_evict().await.is_ok() {
                sleep(LOOK_AGAIN).await;
            }
        })
        .await;
        world
    }

    /// Waits until each policy for pods applies.
    pub async fn policies_apply(&self) {
        let wrong_address = Self::record("greeter", &self.own_id("greeter"), "10.1.0.113:8080");
        let wrong_id = Self::record("greeter", "greeter-1", "10.1.0.112:8080");
        for (pod, patch) in [
            ("other-0", annotation("example.com/x", "y")),
            ("greeter-0", wrong_address),
            ("greeter-0", wrong_id),
        ] {
            within("the policies to apply", async {
                while self.try_patch(pod, &patch).await.is_ok() {
                    sleep(LOOK_AGAIN).await;
                }
            })
            .await;
        }
    }

    /// Runs the command that leaves a policy out, and waits until this patch is admitted.
    pub async fn leave_out(&self, label: &str, admitted: &Value) {
        let commands = documented::commands_of("registry/admission-policy-nodes.yaml");
        let command = commands.iter().find(|it| it.contains(label)).unwrap();
        documented::run(std::slice::from_ref(command), &self.namespace, "greeter").await;
        within("the policy to be left out", async {
            while self.try_patch("greeter-0", admitted).await.is_err() {
                sleep(LOOK_AGAIN).await;
            }
        })
        .await;
    }

    /// Returns a patch with a record of one node.
    pub fn record(name: &str, id: &str, address: &str) -> Value {
        let text = format!(
            r#"{{"name":"{name}","version":"latest","metadata":null,"endpoints":[],"nodes":[{{"id":"{id}","address":"{address}","metadata":{{"protocol":"grpc"}}}}]}}"#
        );
        annotation(&format!("micro.mu/service-{name}"), &text)
    }

    /// Returns the id of the pod's own node.
    pub fn own_id(&self, name: &str) -> String {
        format!("{name}-{}", self.uid)
    }

    /// Sends a strategic merge patch with the pod's token, without an effect.
    pub async fn try_patch(&self, pod: &str, patch: &Value) -> Answer {
        try_patch(&self.namespace, &self.token, pod, patch).await
    }

    /// Sends a strategic merge patch with the pod's token.
    pub async fn patch(&self, patch: &Value) -> Answer {
        self.send(&self.token, STRATEGIC, "pods/greeter-0", patch)
            .await
    }

    async fn try_evict(&self) -> Answer {
        let eviction = json!({
            "apiVersion": "policy/v1", "kind": "Eviction",
            "metadata": { "name": "greeter-0" },
        });
        let path = "pods/greeter-0/eviction?dryRun=All";
        self.post(&self.token, path, &eviction).await
    }

    /// Sends a patch of this kind, or a PUT.
    pub async fn send(&self, token: &str, kind: &str, path: &str, body: &Value) -> Answer {
        let method = if kind == PUT { "PUT" } else { "PATCH" };
        request(&self.namespace, token, method, kind, path, body).await
    }

    /// Sends a POST.
    pub async fn post(&self, token: &str, path: &str, body: &Value) -> Answer {
        request(&self.namespace, token, "POST", PUT, path, body).await
    }

    /// Asserts that a policy refuses a patch with this message.
    pub async fn refuses(&self, patch: &Value, why: &str) {
        let answer = self.try_patch("greeter-0", patch).await;
        refused(answer, why, &patch.to_string());
    }

    /// Asserts that the policies admit a patch.
    pub async fn admits(&self, patch: &Value) {
        let answer = self.patch(patch).await;
        answer.unwrap_or_else(|why| panic!("{patch}: {why}"));
    }
}

/// Applies both files of policies, labels the namespace, and waits until the token cannot change the
/// pod `other-0`.
pub async fn own_pods_only(namespace: &Namespace, token: &str) {
    // The policies belong to the cluster, and only the label to the namespace.
    static APPLIED: OnceCell<()> = OnceCell::const_new();
    let commands = documented::commands_of("registry/admission-policy.yaml");
    let (label, apply) = commands.split_last().unwrap();
    let once = async {
        // The other commands leave a policy out.
        let nodes = &documented::commands_of("registry/admission-policy-nodes.yaml")[..1];
        documented::run(&[apply, nodes].concat(), namespace, "greeter").await;
    };
    APPLIED.get_or_init(|| once).await;
    documented::run(std::slice::from_ref(label), namespace, "greeter").await;
    let note = annotation("example.com/x", "y");
    within("the policy to apply", async {
        while try_patch(namespace, token, "other-0", &note).await.is_ok() {
            sleep(LOOK_AGAIN).await;
        }
    })
    .await;
}

/// Sends a strategic merge patch without an effect.
async fn try_patch(namespace: &Namespace, token: &str, pod: &str, patch: &Value) -> Answer {
    let path = format!("pods/{pod}?dryRun=All");
    request(namespace, token, "PATCH", STRATEGIC, &path, patch).await
}

async fn request(
    namespace: &Namespace,
    token: &str,
    method: &str,
    kind: &str,
    path: &str,
    body: &Value,
) -> Answer {
    let uri = format!("/api/v1/namespaces/{}/{path}", namespace.name);
    let request = Request::builder()
        .method(method)
        .uri(uri)
        .header("content-type", kind)
        .body(body.to_string().into_bytes())
        .unwrap();
    let client = namespace.api.client(token);
    let answer = within("an answer", client.request::<Value>(request)).await;
    answer.map_err(|error| error.to_string())
}

/// Asserts that an answer is the refusal of a policy with this message.
pub fn refused(answer: Answer, why: &str, what: &str) {
    let refusal = answer.expect_err(what);
    assert!(
        refusal.contains("ValidatingAdmissionPolicy") && refusal.contains(why),
        "{what}: {refusal}"
    );
}

/// Returns a patch of one annotation.
pub fn annotation(key: &str, value: &str) -> Value {
    json!({ "metadata": { "annotations": { key: value } } })
}

/// Returns a patch of one label.
pub fn label(key: &str, value: Option<&str>) -> Value {
    json!({ "metadata": { "labels": { key: value } } })
}

/// Returns the rules of an account that may change pods in every way.
fn rules() -> Value {
    let change = ["get", "list", "watch", "patch", "update"];
    let subresources = [
        "pods",
        "pods/status",
        "pods/ephemeralcontainers",
        "pods/resize",
    ];
    json!([
        { "apiGroups": [""], "resources": subresources, "verbs": change },
        {
            "apiGroups": [""],
            "resources": ["pods/binding", "pods/eviction", "pods/exec", "pods/attach", "bindings"],
            "verbs": ["create", "get"],
        },
    ])
}
