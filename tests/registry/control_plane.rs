//! The control plane under the other tests: the API server treats pods, accounts and outages as
//! in a real cluster.

use std::time::Duration;

use k8s_openapi::api::authentication::v1::SelfSubjectReview;
use k8s_openapi::api::core::v1::Pod;
use kube::api::{ListParams, Patch, PatchParams, PostParams};
use kube::{Api, Client, Error};
use serde_json::json;
use testkit::cluster::{ControlPlane, IP, Namespace, ROLE};
use testkit::within;
use tokio::time::timeout;

#[tokio::test]
async fn a_pod_starts_becomes_unready_terminates_and_goes() {
    let namespace = Namespace::fresh("pod").await;
    assert_eq!(
        described(&namespace.pending_pod("greeter-0", "greeter").await),
        "Pending - -"
    );
    assert_eq!(
        described(&namespace.run_pod("greeter-0", IP).await),
        "Running 10.1.0.112 True"
    );
    assert_eq!(
        described(&namespace.set_ready("greeter-0", false).await),
        "Running 10.1.0.112 False"
    );

    namespace.terminate_pod("greeter-0").await;
    let terminating = namespace
        .pod("greeter-0")
        .await
        .expect("it waits for its kubelet");
    assert!(terminating.metadata.deletion_timestamp.is_some());

    namespace.remove_pod("greeter-0").await;
    assert_eq!(namespace.pod("greeter-0").await, None);
}

/// Returns phase, address and readiness.
fn described(pod: &Pod) -> String {
    let status = pod.status.clone().unwrap_or_default();
    let mut conditions = status.conditions.unwrap_or_default().into_iter();
    let ready = conditions.find(|condition| condition.type_ == "Ready");
    [status.phase, status.pod_ip, ready.map(|ready| ready.status)]
        .map(|part| part.unwrap_or("-".to_owned()))
        .join(" ")
}

#[tokio::test]
async fn a_token_names_the_pod_that_it_was_made_for() {
    let namespace = Namespace::fresh("token").await;
    namespace.account("greeter", &ROLE, &[]).await;
    let pod = namespace.running_pod("greeter-0", "greeter", IP).await;
    let identity = namespace.identity("greeter-0").await;

    let token = std::fs::read_to_string(identity.folder().join("token")).unwrap();
    let reviews = Api::all(namespace.api.client(&token));
    let (params, review) = (PostParams::default(), SelfSubjectReview::default());
    let review = reviews.create(&params, &review);
    let review = within("a review", review).await.unwrap();
    let extra = review.status.unwrap().user_info.unwrap().extra.unwrap();
    assert_eq!(
        extra["authentication.kubernetes.io/pod-name"],
        ["greeter-0"]
    );
    assert_eq!(
        extra["authentication.kubernetes.io/pod-uid"],
        [pod.metadata.uid.unwrap()]
    );
}

#[tokio::test]
async fn an_account_may_do_what_its_role_allows_and_no_more() {
    let namespace = Namespace::fresh("role").await;
    namespace.account("any", &ROLE, &[]).await;
    namespace.account("own", &ROLE, &["own-0"]).await;
    namespace.account("none", &[], &[]).await;
    let pods = [("any", "any-0"), ("own", "own-0"), ("none", "none-0")];
    for (account, pod) in pods {
        namespace.running_pod(pod, account, IP).await;
    }
    let mut found = Vec::new();
    for (account, pod) in pods {
        let client = namespace.api.client(&namespace.token(pod).await);
        let pods = Api::namespaced(client, &namespace.name);
        found.push((account, may(pods).await));
    }
    // The verbs are: get own-0, list it by its name, list all, patch it, patch another pod.
    assert_eq!(
        found,
        [
            ("any", [403, 200, 200, 200, 200]),
            ("own", [403, 200, 403, 200, 403]),
            ("none", [403; 5]),
        ]
    );
}

async fn may(pods: Api<Pod>) -> [u16; 5] {
    let own = ListParams::default().fields("metadata.name=own-0");
    let patch = Patch::Merge(json!({ "metadata": { "annotations": { "a": "b" } } }));
    let params = PatchParams::default();
    within("five requests", async {
        [
            status(pods.get("own-0").await),
            status(pods.list(&own).await),
            status(pods.list(&ListParams::default()).await),
            status(pods.patch("own-0", &params, &patch).await),
            status(pods.patch("none-0", &params, &patch).await),
        ]
    })
    .await
}

fn status<T>(answer: Result<T, Error>) -> u16 {
    match answer {
        Ok(_) => 200,
        Err(Error::Api(refusal)) => refusal.code,
        Err(error) => panic!("no answer: {error}"),
    }
}

#[tokio::test]
async fn an_api_server_hangs_stops_and_restarts_with_its_data() {
    let mut plane = ControlPlane::start().await;
    let namespace = Namespace::fresh_in(&plane.api, "outage").await;
    namespace.running_pod("greeter-0", "greeter", IP).await;

    plane.pause().await;
    let hanging = version(namespace.admin.clone());
    let hanging = timeout(Duration::from_millis(300), hanging).await;
    assert!(hanging.is_err(), "{hanging:?}");
    plane.resume();
    within("a resumed API server", version(namespace.admin.clone()))
        .await
        .unwrap();

    plane.stop_apiserver();
    let away = within("a refusal", version(plane.api.admin())).await;
    assert!(
        matches!(away, Err(Error::HyperError(_) | Error::Service(_))),
        "{away:?}"
    );

    plane.start_apiserver().await;
    let again = Namespace {
        admin: plane.api.admin(),
        ..namespace
    };
    assert!(again.pod("greeter-0").await.is_some());
}

async fn version(client: Client) -> Result<(), Error> {
    client.apiserver_version().await.map(drop)
}
