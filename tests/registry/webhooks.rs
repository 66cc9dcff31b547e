//! Admission that changes or denies the sidecar's writes on a real API server: it writes a few
//! times, and says what an operator can do.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use futures_util::future::join_all;
use serde_json::{Value, json};
use testkit::cluster::{IP, Namespace, ROLE};
use testkit::greeter::Greeter;
use testkit::print_line;
use testkit::webhook::Verdict;
use tokio::time::{Duration, Instant, sleep, sleep_until};

use self::world::{Mutating, Validating, World};
use crate::rig::{Sidecar, keys, version};

mod world;

const RECORD: &str = "micro.mu/service-greeter";
const MARK: &str = "registration.micro-health/greeter";

/// The time in which the writes to a contested pod are counted.
const CONTESTED: Duration = Duration::from_secs(15);

/// The parts of metadata that the sidecar writes, with a key of each kind.
const WRITTEN: [(&str, &str); 3] = [
    ("annotations", MARK),
    ("annotations", RECORD),
    ("labels", "micro.mu/selector-greeter"),
];

/// Removes the key from a write, as a webhook that allows only known keys does.
fn strip(request: &Value, part: &str, key: &str) -> Verdict {
    if request["object"]["metadata"][part][key].is_null() {
        return Verdict::Allowed;
    }
    let path = format!("/metadata/{part}/{}", key.replace('/', "~1"));
    Verdict::Changed(json!([{ "op": "remove", "path": path }]))
}

#[tokio::test]
async fn a_webhook_that_strips_what_we_write_is_given_a_few_writes() {
    join_all(WRITTEN.map(|(part, key)| stripped(part, key))).await;
}

async fn stripped(part: &'static str, key: &'static str) {
    let review = move |request: &Value| strip(request, part, key);
    let world = World::start::<Mutating>(review).await;
    let started = Instant::now();
    let mut sidecar = world.sidecar(&["--expose_errors"]).await;
    let registration = sidecar.is("contested").await;
    let service = &registration["services"][0];
    assert_eq!(
        (&service["standing"], &service["detail"]),
        (&json!("contested"), &json!(key))
    );
    let line = sidecar.logs("The registration does not stay").await;
    assert_eq!(line["fields"]["key"], key);

    sleep_until(started + CONTESTED).await;
    let patches = sidecar.patches().await;
    print_line(&format!(
        "webhooks: {key} is stripped, {patches} patches in {CONTESTED:?}"
    ));
    assert!(patches <= 8, "{key}: {patches}: {}", sidecar.log());
    sidecar.is("contested").await;
    let times = sidecar.log().matches("does not stay").count();
    assert_eq!(times, 1, "{key}: {}", sidecar.log());
    assert!(sidecar.terminate().await.success());
    let left = keys(&world.namespace).await;
    if key == MARK {
        // Nothing says whose labels these are.
        assert_eq!(left, ["micro.mu/selector-greeter", "micro.mu/type"]);
    } else {
        assert_eq!(left, Vec::<String>::new(), "{key}");
    }

    // A sidecar that goes on writes again after five minutes, which is tested in `state`.
    world.remove::<Mutating>().await;
    let mut sidecar = world.sidecar(&[]).await;
    sidecar.is("registered").await;
    assert_eq!(sidecar.patches().await, 2, "{key}");
    assert!(keys(&world.namespace).await.contains(&MARK.to_owned()));
    assert!(sidecar.terminate().await.success());
}

#[tokio::test]
async fn a_denying_webhook_is_reported_and_the_service_is_registered_once_it_allows() {
    join_all([400, 403, 409].map(denied_by_a_webhook)).await;
}

async fn denied_by_a_webhook(status: u16) {
    let denies = Arc::new(AtomicBool::new(true));
    let is_denying = Arc::clone(&denies);
    let review = move |_: &Value| {
        if is_denying.load(Ordering::Relaxed) {
            Verdict::Denied(status, "no labels after noon")
        } else {
            Verdict::Allowed
        }
    };
    let world = World::start::<Validating>(review).await;
    let mut sidecar = world.sidecar(&["--expose_errors"]).await;
    let refusal = r#"denied by an admission webhook: admission webhook "pods.example.com" denied the request: no labels after noon"#;
    sidecar
        .logs(&format!("Registry request failed: {refusal}"))
        .await;
    let registration = sidecar.is("waiting").await;
    assert_eq!(registration["lastRefusal"], refusal, "{status}");
    is_not_about_roles(&sidecar);
    sleep(Duration::from_secs(3)).await;
    let patches = sidecar.patches().await;
    assert!(patches <= 2, "{status}: {patches} patches");

    denies.store(false, Ordering::Relaxed);
    let started = Instant::now();
    sidecar.is("registered").await;
    print_line(&format!(
        "webhooks: denied with {status}, {patches} patches, registered {:.1?} after it allows",
        started.elapsed()
    ));
    assert!(sidecar.terminate().await.success());
    assert_eq!(keys(&world.namespace).await, Vec::<String>::new());
}

#[tokio::test]
async fn a_webhook_that_changes_the_spec_is_reported() {
    let review = |_: &Value| {
        let change = json!([{ "op": "add", "path": "/spec/hostname", "value": "changed" }]);
        Verdict::Changed(change)
    };
    let world = World::start::<Mutating>(review).await;
    let sidecar = world.sidecar(&["--expose_errors"]).await;
    let refusal = "the pod's spec was changed while its labels were written: a mutating webhook for UPDATE of pods";
    let line = sidecar
        .logs(&format!("Registry request failed: {refusal}"))
        .await;
    assert_eq!(
        line["fields"]["remedy"],
        "exclude this pod from the webhook, or UPDATE from the webhook's rules"
    );
    assert_eq!(sidecar.is("waiting").await["lastRefusal"], refusal);
    is_not_about_roles(&sidecar);
    let before = version(&world.namespace).await;
    sleep(Duration::from_secs(3)).await;
    let after = version(&world.namespace).await;
    assert_eq!((sidecar.patches().await, after), (1, before));
}

#[tokio::test]
async fn a_policy_that_answers_403_is_no_missing_permission() {
    let namespace = Namespace::fresh("denied").await;
    namespace.account("greeter", &ROLE, &[]).await;
    namespace.running_pod("greeter-0", "greeter", IP).await;
    let name = &namespace.name;
    let policy = json!({
        "apiVersion": "admissionregistration.k8s.io/v1",
        "kind": "ValidatingAdmissionPolicy",
        "metadata": { "name": name },
        "spec": {
            "matchConstraints": { "resourceRules": [{
                "apiGroups": [""], "apiVersions": ["v1"],
                "operations": ["UPDATE"], "resources": ["pods"],
            }] },
            "validations": [{
                "expression": "false", "message": "no labels after noon", "reason": "Forbidden",
            }],
        },
    });
    let binding = json!({
        "apiVersion": "admissionregistration.k8s.io/v1",
        "kind": "ValidatingAdmissionPolicyBinding",
        "metadata": { "name": name },
        "spec": {
            "policyName": name, "validationActions": ["Deny"],
            "matchResources": { "namespaceSelector": {
                "matchLabels": { "kubernetes.io/metadata.name": name },
            } },
        },
    });
    let apply = ["apply", "--filename=-"];
    for object in [&policy, &binding] {
        namespace
            .kubectl(&apply, &object.to_string())
            .await
            .unwrap();
    }
    world::denies(&namespace).await;

    let identity = namespace.identity("greeter-0").await;
    let mut greeter = Greeter::reserve();
    greeter.start();
    let flags = ["--expose_errors"];
    let sidecar = Sidecar::start(&identity, greeter.address(), &flags).await;
    let line = sidecar
        .logs("Registry request failed: denied by an admission policy")
        .await;
    let message = line["fields"]["message"].as_str().unwrap();
    assert!(message.contains("no labels after noon"), "{message}");
    sidecar.is("waiting").await;
    is_not_about_roles(&sidecar);

    let delete = ["delete", "--filename=-"];
    let deleted = namespace.kubectl(&delete, &binding.to_string()).await;
    deleted.unwrap();
    sidecar.is("registered").await;
    let line = r#"health_sidecar_registry_patches_total{result="policy""#;
    assert!((1..=3).contains(&sidecar.metric(line).await));
}

/// Asserts that the log offers no Role, and does not ask for a shorter name.
fn is_not_about_roles(sidecar: &Sidecar) {
    let log = sidecar.log();
    for text in ["kind: Role", "missing verb", "shorten"] {
        assert!(!log.contains(text), "{log}");
    }
}
