//! The registry's reader under every behaviour of the API server. A script answers under a real
//! `kube::Client`; time is paused, so no test waits.

use std::pin::Pin;

use futures_util::{Stream, StreamExt as _};
use http::Method;
use micro_health::registry::Error;
use micro_health::registry::Event;
use micro_health::registry::Registry;
use micro_health::registry::Schemes;
use micro_health::registry::Service;
use serde_json::{Value, json};
use testkit::api_server::{
    NAMESPACE, Reply, client, client_in_order, event, gone, greeter_pod, list, pod, refused,
};
use testkit::within;

fn registry(client: kube::Client) -> Registry {
    Registry::new(client, NAMESPACE, Schemes::MicroMu)
}

fn service(name: &str, version: &str, nodes: &[&str]) -> String {
    let node = |id: &&str| json!({"id": id, "address": format!("{id}:80")});
    let nodes: Vec<_> = nodes.iter().map(node).collect();
    json!({"name": name, "version": version, "nodes": nodes}).to_string()
}

/// Formats a service as `name version: addresses`.
fn line(service: &Service) -> String {
    let nodes = service.nodes.iter().flatten();
    let addresses: Vec<_> = nodes.map(|node| &*node.address).collect();
    format!(
        "{} {}: {}",
        service.name,
        service.version,
        addresses.join(" ")
    )
}

fn lines(services: &[Service]) -> Vec<String> {
    services.iter().map(line).collect()
}

type EventStream = Pin<Box<dyn Stream<Item = Result<Event, Error>> + Send>>;

fn watch(client: kube::Client, name: Option<&str>) -> EventStream {
    registry(client).watch(name).boxed()
}

async fn next(events: &mut EventStream) -> Result<Event, Error> {
    let next = within("an event", events.next()).await;
    next.expect("the stream must go on")
}

/// Returns the next event as `action name version: addresses`.
async fn next_line(events: &mut EventStream) -> String {
    let event = next(events).await.unwrap();
    format!("{} {}", event.action, line(&event.service))
}

/// Asserts that no event comes, however long the wait.
async fn no_event_comes(events: &mut EventStream) {
    let minute = std::time::Duration::from_mins(1);
    let next = tokio::time::timeout(minute, events.next()).await;
    assert!(next.is_err(), "{next:?}");
}

#[tokio::test(start_paused = true)]
async fn a_list_is_merged_from_all_pods_page_by_page() {
    let first = json!({
        "kind": "PodList",
        "apiVersion": "v1",
        "metadata": {"resourceVersion": "7", "continue": "more"},
        "items": [greeter_pod("a", "1", "10.0.0.1:80")],
    });
    let other = json!({"micro.mu/service-other": service("other", "1", &["o"])});
    let second = list(
        "7",
        [greeter_pod("b", "2", "10.0.0.2:80"), pod("c", "3", &other)],
    );
    let (client, wire) = client_in_order([Reply::Json(200, first), second]);
    let services = registry(client).list_services().await.unwrap();
    assert_eq!(
        lines(&services),
        ["greeter latest: 10.0.0.1:80 10.0.0.2:80", "other 1: o:80"]
    );
    let requests = wire.requests();
    assert_eq!(requests.len(), 2);
    for request in &requests {
        assert_eq!(request.method, Method::GET);
        assert_eq!(request.path, "/api/v1/namespaces/demo/pods");
        assert!(request.body.is_null());
        assert_eq!(request.query("labelSelector"), "micro.mu/type=service");
        assert_eq!(request.query("limit"), "500");
    }
    assert_eq!(requests[0].query("continue"), "");
    assert_eq!(requests[1].query("continue"), "more");
}

#[tokio::test(start_paused = true)]
async fn a_list_that_changed_between_its_pages_is_requested_whole() {
    let first = json!({
        "kind": "PodList",
        "apiVersion": "v1",
        "metadata": {"resourceVersion": "7", "continue": "more"},
        "items": [greeter_pod("a", "1", "10.0.0.1:80")],
    });
    let whole = list("9", [greeter_pod("b", "8", "10.0.0.2:80")]);
    let expired = refused(410, "The provided continue parameter is too old");
    let (client, wire) = client_in_order([Reply::Json(200, first), expired, whole]);
    let services = registry(client).list_services().await.unwrap();
    assert_eq!(lines(&services), ["greeter latest: 10.0.0.2:80"]);
    let requests = wire.requests();
    assert_eq!(
        (requests[2].query("limit"), requests[2].query("continue")),
        ("", "")
    );
}

#[tokio::test(start_paused = true)]
async fn a_lookup_selects_by_the_service_s_own_label() {
    let (client, wire) = client_in_order([list("7", [greeter_pod("a", "1", "10.0.0.1:80")])]);
    let services = registry(client).get_service("greeter").await.unwrap();
    assert_eq!(lines(&services), ["greeter latest: 10.0.0.1:80"]);
    let requests = wire.requests();
    assert_eq!(requests.len(), 1);
    let selector = requests[0].query("labelSelector");
    assert_eq!(selector, "micro.mu/selector-greeter=service");
}

#[tokio::test(start_paused = true)]
async fn both_schemes_are_one_registry() {
    let record = service("greeter", "1", &["g"]);
    let both = json!({"micro.mu/service-greeter": record, "go.micro/greeter": record});
    let old = json!({"go.micro/greeter": service("greeter", "1", &["old"])});
    let (client, wire) = client(move |request| match request.query("labelSelector") {
        "micro.mu/selector-greeter=service" => list("7", [pod("a", "1", &both)]),
        "go.micro/greeter=service" => list("7", [pod("a", "1", &both), pod("b", "1", &old)]),
        selector => refused(400, selector),
    });
    let registry = Registry::new(client, NAMESPACE, Schemes::Both);
    let services = registry.get_service("greeter").await.unwrap();
    assert_eq!(lines(&services), ["greeter 1: g:80 old:80"]);
    assert_eq!(wire.requests().len(), 2);
}

#[tokio::test(start_paused = true)]
async fn a_name_is_looked_up_in_the_schemes_that_can_have_it() {
    let long = "x".repeat(55);
    let annotation = json!({format!("go.micro/{long}"): service(&long, "1", &["x"])});
    let (client, wire) = client_in_order([list("7", [pod("a", "1", &annotation)])]);
    let both = Registry::new(client.clone(), NAMESPACE, Schemes::Both);
    assert!(both.get_service(&long).await.is_ok());
    let refusal = registry(client).get_service(&long).await.unwrap_err();
    assert!(
        refusal
            .to_string()
            .ends_with("shorten the name to 54 bytes"),
        "{refusal}"
    );
    assert_eq!(wire.requests().len(), 1);
}

#[tokio::test(start_paused = true)]
async fn a_service_that_no_pod_has_is_not_found() {
    let mut not_ready = greeter_pod("a", "1", "10.0.0.1:80");
    not_ready["status"]["conditions"][0]["status"] = json!("False");
    for (pods, expected) in [
        (vec![], "no service \"greeter\" in namespace demo"),
        (
            vec![not_ready.clone()],
            "no service \"greeter\" in namespace demo; 1 pod that has it is not Ready",
        ),
        (
            vec![not_ready.clone(), not_ready.clone()],
            "no service \"greeter\" in namespace demo; 2 pods that have it are not Ready",
        ),
    ] {
        let (client, _) = client_in_order([list("7", pods)]);
        let refusal = registry(client).get_service("greeter").await.unwrap_err();
        assert!(matches!(refusal, Error::NotFound { .. }));
        assert_eq!(refusal.to_string(), expected);
    }
    let (client, _) = client_in_order([list("7", [not_ready])]);
    let registry = registry(client).include_not_ready(true);
    let services = registry.get_service("greeter").await.unwrap();
    assert_eq!(lines(&services), ["greeter latest: 10.0.0.1:80"]);
}

#[tokio::test(start_paused = true)]
async fn a_bad_annotation_is_skipped_and_counted() {
    let other = service("else", "1", &[]);
    let pods = || {
        [
            pod(
                "a",
                "1",
                &json!({"micro.mu/service-greeter": "{\"name\":7}"}),
            ),
            pod("b", "1", &json!({"micro.mu/service-greeter": other})),
            pod("c", "1", &json!({"micro.mu/service-greeter": ""})),
            greeter_pod("d", "1", "10.0.0.4:80"),
        ]
    };
    let (client, _) = client_in_order([list("7", pods()), list("7", pods())]);
    let registry = registry(client);
    let services = registry.get_service("greeter").await.unwrap();
    assert_eq!(lines(&services), ["greeter latest: 10.0.0.4:80"]);
    assert_eq!(registry.skipped(), 2);
    let services = registry.list_services().await.unwrap();
    assert_eq!(lines(&services), ["greeter latest: 10.0.0.4:80"]);
    assert_eq!(registry.skipped(), 4);
}

#[tokio::test(start_paused = true)]
async fn a_403_shows_the_sentence_the_verb_and_the_role() {
    let sentence = "pods is forbidden: User \"system:serviceaccount:demo:web\" cannot list resource \"pods\" in API group \"\" in the namespace \"demo\"";
    let (client, _) = client_in_order([refused(403, sentence)]);
    let refusal = registry(client).list_services().await.unwrap_err();
    let text = refusal.to_string();
    assert!(text.starts_with(sentence), "{text}");
    for part in [
        "missing verb: list on pods; ",
        "verbs: [list, patch, watch]",
        "name: micro-registry-web",
        "- kind: ServiceAccount\n  name: web\n  namespace: demo",
    ] {
        assert!(text.contains(part), "{part} is not in {text}");
    }
}

#[tokio::test(start_paused = true)]
async fn other_refusals_are_reported_unchanged() {
    for (reply, expected) in [
        (
            refused(401, "Unauthorized"),
            "the API server does not accept the token (401): is it expired, or its pod deleted?",
        ),
        (
            refused(503, "apiserver is shutting down"),
            "the API server answers 503 Service Unavailable: apiserver is shutting down",
        ),
    ] {
        let (client, _) = client_in_order([reply]);
        let refusal = registry(client).list_services().await.unwrap_err();
        assert_eq!(refusal.to_string(), expected);
        assert!(refusal.is_passing());
    }
}

#[tokio::test(start_paused = true)]
async fn a_watch_begins_with_the_existing_services_and_survives_a_cut() {
    let bookmark =
        json!({"kind": "Pod", "apiVersion": "v1", "metadata": {"resourceVersion": "20"}});
    let first = vec![
        event("ADDED", &greeter_pod("b", "11", "10.0.0.2:80")),
        event("BOOKMARK", &bookmark),
    ];
    // The second version has the same value, the third one another.
    let second = vec![
        event("MODIFIED", &greeter_pod("a", "21", "10.0.0.1:80")),
        event("MODIFIED", &greeter_pod("a", "22", "10.0.0.1:81")),
        event("DELETED", &greeter_pod("b", "23", "10.0.0.2:80")),
    ];
    let (client, wire) = client_in_order([
        list("10", [greeter_pod("a", "5", "10.0.0.1:80")]),
        Reply::EndedWatch(first),
        Reply::OpenWatch(second),
    ]);
    let mut events = watch(client, Some("greeter"));
    for expected in [
        "create greeter latest: 10.0.0.1:80",
        "update greeter latest: 10.0.0.1:80 10.0.0.2:80",
        "update greeter latest: 10.0.0.1:81 10.0.0.2:80",
        "update greeter latest: 10.0.0.1:81",
    ] {
        assert_eq!(next_line(&mut events).await, expected);
    }
    let requests = wire.requests();
    assert_eq!(requests.len(), 3);
    let selector = "micro.mu/selector-greeter=service";
    assert!(
        requests
            .iter()
            .all(|request| request.query("labelSelector") == selector)
    );
    let versions = [1, 2].map(|at| requests[at].query("resourceVersion").to_owned());
    assert_eq!(versions, ["10", "20"]);
    assert!(requests[1].is_watch() && requests[1].query("allowWatchBookmarks") == "true");
}

#[tokio::test(start_paused = true)]
async fn the_list_after_a_410_shows_which_services_are_gone() {
    let pods = || {
        [
            greeter_pod("a", "1", "10.0.0.1:80"),
            greeter_pod("b", "2", "10.0.0.2:80"),
        ]
    };
    for too_late in [
        Reply::OpenWatch(vec![gone()]),
        refused(410, "too old resource version: 1 (9)"),
    ] {
        let other = json!({"micro.mu/service-other": service("other", "1", &["o"])});
        let (client, wire) = client_in_order([
            list("10", pods().into_iter().chain([pod("c", "3", &other)])),
            too_late.clone(),
            list("30", [greeter_pod("b", "2", "10.0.0.2:80")]),
            Reply::OpenWatch(vec![]),
        ]);
        let mut events = watch(client, None);
        for expected in [
            "create greeter latest: 10.0.0.1:80 10.0.0.2:80",
            "create other 1: o:80",
            "update greeter latest: 10.0.0.2:80",
            "delete other 1: o:80",
        ] {
            assert_eq!(next_line(&mut events).await, expected, "{too_late:?}");
        }
        no_event_comes(&mut events).await;
        let requests = wire.requests();
        assert_eq!(requests.len(), 4, "{too_late:?}");
        assert_eq!(requests[3].query("resourceVersion"), "30");
    }
}

#[tokio::test(start_paused = true)]
async fn a_refusal_is_reported_and_the_watch_goes_on() {
    let (client, _) = client_in_order([
        refused(500, "etcdserver: request timed out"),
        list("10", [greeter_pod("a", "1", "10.0.0.1:80")]),
        refused(403, "User \"x\" cannot watch resource \"pods\""),
        Reply::OpenWatch(vec![event(
            "DELETED",
            &greeter_pod("a", "11", "10.0.0.1:80"),
        )]),
    ]);
    let mut events = watch(client, None);
    let refusal = next(&mut events).await.unwrap_err();
    assert!(refusal.to_string().contains("etcdserver"), "{refusal}");
    assert_eq!(
        next_line(&mut events).await,
        "create greeter latest: 10.0.0.1:80"
    );
    let refusal = next(&mut events).await.unwrap_err();
    assert!(refusal.to_string().contains("missing verb: watch on pods"));
    assert!(!refusal.is_passing());
    assert_eq!(
        next_line(&mut events).await,
        "delete greeter latest: 10.0.0.1:80"
    );
}

#[tokio::test(start_paused = true)]
async fn a_watch_that_ends_at_once_is_restarted_once_a_second() {
    let (client, wire) = client_in_order([list("10", []), Reply::EndedWatch(vec![])]);
    let mut events = watch(client, None);
    no_event_comes(&mut events).await;
    let watches = wire
        .requests()
        .iter()
        .filter(|request| request.is_watch())
        .count();
    assert!((55..=61).contains(&watches), "{watches} in a minute");
}

#[tokio::test(start_paused = true)]
async fn an_invalid_name_ends_the_watch() {
    let (client, wire) = client_in_order([]);
    let mut events = watch(client, Some("topic:"));
    assert!(matches!(next(&mut events).await, Err(Error::Name(_))));
    assert!(events.next().await.is_none());
    assert!(wire.requests().is_empty());
}

#[tokio::test(start_paused = true)]
async fn a_terminating_pod_loses_its_node() {
    let mut going = greeter_pod("a", "11", "10.0.0.1:80");
    going["metadata"]["deletionTimestamp"] = json!("2026-11-21T03:25:00Z");
    let mut not_ready = greeter_pod("b", "12", "10.0.0.2:80");
    not_ready["status"]["conditions"][0]["status"] = json!("False");
    let events = [going, not_ready].map(|pod: Value| event("MODIFIED", &pod));
    let pods = [
        greeter_pod("a", "1", "10.0.0.1:80"),
        greeter_pod("b", "2", "10.0.0.2:80"),
    ];
    let (client, _) = client_in_order([list("10", pods), Reply::OpenWatch(events.into())]);
    let mut events = watch(client, None);
    for expected in [
        "create greeter latest: 10.0.0.1:80 10.0.0.2:80",
        "update greeter latest: 10.0.0.2:80",
        "delete greeter latest: 10.0.0.2:80",
    ] {
        assert_eq!(next_line(&mut events).await, expected);
    }
}
