//! The registration of services of other pods, with an API server that stores one pod.

use std::collections::BTreeMap;

use micro_health::registry::Registry;
use micro_health::registry::Schemes;
use micro_health::registry::{Node, Service};
use serde_json::json;
use testkit::api_server::{NAMESPACE, Reply, client, client_with_pod, unregistered_pod};

fn registry(client: kube::Client) -> Registry {
    Registry::new(client, NAMESPACE, Schemes::MicroMu)
}

fn service() -> Service {
    Service {
        name: "greeter".into(),
        version: "latest".into(),
        nodes: Some(vec![Node {
            id: "greeter-1".into(),
            address: "10.0.0.7:9091".into(),
            metadata: Some(BTreeMap::new()),
        }]),
        ..Service::default()
    }
}

#[tokio::test(start_paused = true)]
async fn a_service_is_registered_by_two_writes_and_deregistered_by_one() {
    let (client, wire) = client_with_pod(unregistered_pod(), &[]);
    let registry = registry(client);
    assert_eq!(registry.register("g-0", &service()).await, Ok(true));
    assert_eq!(registry.register("g-0", &service()).await, Ok(false));
    assert_eq!(registry.deregister("g-0", &service()).await, Ok(true));
    assert_eq!(registry.deregister("g-0", &service()).await, Ok(false));
    let mark = |announced: bool| {
        format!(
            "{{\"service\":\"greeter\",\"nodes\":{{\"greeter-1\":\"command\"}},\"keys\":[\"micro.mu/selector-greeter\",\"micro.mu/type\"],\"announced\":{announced}}}"
        )
    };
    let expected = [
        json!({
            "uid": "uid-g-0",
            "labels": {"micro.mu/type": "service", "micro.mu/selector-greeter": "service"},
            "annotations": {
                "micro.mu/service-greeter": service().to_json(),
                "registration.micro-health/greeter": mark(false),
            },
        }),
        json!({"uid": "uid-g-0", "annotations": {"registration.micro-health/greeter": mark(true)}}),
        json!({
            "uid": "uid-g-0",
            "labels": {"micro.mu/type": null, "micro.mu/selector-greeter": null},
            "annotations": {"micro.mu/service-greeter": null, "registration.micro-health/greeter": null},
        }),
    ];
    assert_eq!(wire.patches(), expected);
}

#[tokio::test(start_paused = true)]
async fn a_pod_is_listed_if_get_is_forbidden() {
    let (client, wire) = client_with_pod(unregistered_pod(), &["get"]);
    let registered = registry(client).register("g-0", &service()).await;
    assert_eq!(registered, Ok(true));
    assert_eq!(wire.patches().len(), 2);
    for (forbidden, verb) in [(&["get", "list"][..], "get"), (&["patch"], "patch")] {
        let (client, wire) = client_with_pod(unregistered_pod(), forbidden);
        let refusal = registry(client).register("g-0", &service()).await;
        let text = refusal.unwrap_err().to_string();
        assert!(
            text.contains(&format!("missing verb: {verb} on pods")),
            "{text}"
        );
        assert!(text.contains("name: micro-registry-cli\n"), "{text}");
        assert!(wire.requests().len() <= 2);
    }
}

#[tokio::test(start_paused = true)]
async fn an_invalid_registration_is_not_sent() {
    let mut going = unregistered_pod();
    going["metadata"]["deletionTimestamp"] = json!("2026-11-21T03:25:00Z");
    let mut taken = unregistered_pod();
    taken["metadata"]["labels"]["micro.mu/type"] = json!("mine");
    let mut nobody = service();
    nobody.nodes = Some(Vec::new());
    let mut unmapped = service();
    unmapped.name = "topic:".into();
    for (pod, name, service, expected) in [
        (going, "g-0", service(), "the pod is being deleted"),
        (
            taken,
            "g-0",
            service(),
            "the pod's label micro.mu/type is \"mine\" where the registry needs \"service\"",
        ),
        (
            unregistered_pod(),
            "g-1",
            service(),
            "no pod \"g-1\" in namespace demo",
        ),
        (
            unregistered_pod(),
            "g-0",
            nobody,
            "a registration must have exactly one node; this one has 0",
        ),
        (
            unregistered_pod(),
            "g-0",
            unmapped,
            "the service name \"topic:\" becomes",
        ),
    ] {
        let (client, wire) = client_with_pod(pod, &[]);
        let refusal = registry(client).register(name, &service).await;
        let text = refusal.unwrap_err().to_string();
        assert!(text.starts_with(expected), "{text}");
        assert_eq!(wire.patches().len(), 0);
    }
}

#[tokio::test(start_paused = true)]
async fn a_foreign_writer_that_always_overwrites_is_not_fought() {
    let (client, wire) = client(|_| Reply::Json(200, unregistered_pod()));
    let refusal = registry(client).register("g-0", &service()).await;
    assert!(refusal.unwrap_err().is_passing());
    assert_eq!(wire.patches().len(), 4);
}
