use serde_json::{Value, json};

use super::*;

/// A Ready pod that was created so many seconds after the others.
fn pod(name: &str, second: u8, annotations: &[(&str, Value)]) -> Pod {
    let text = |value: &Value| match value {
        Value::String(text) => text.clone(),
        record => record.to_string(),
    };
    let annotations = annotations
        .iter()
        .map(|(key, value)| ((*key).to_owned(), text(value).into()));
    let annotations: serde_json::Map<_, _> = annotations.collect();
    serde_json::from_value(json!({
        "metadata": {
            "name": name,
            "uid": name,
            "creationTimestamp": format!("2026-11-21T03:20:{second:02}Z"),
            "annotations": annotations,
        },
        "status": {"phase": "Running", "conditions": [{"type": "Ready", "status": "True"}]},
    }))
    .expect("must be a pod")
}

fn record(name: &str, version: &str, nodes: &[(&str, &str)]) -> Value {
    let node = |(id, address): &(&str, &str)| json!({"id": id, "address": address});
    let nodes: Vec<_> = nodes.iter().map(node).collect();
    json!({"name": name, "version": version, "nodes": nodes})
}

fn listing(pod: &Pod) -> PodRecords {
    PodRecords::of(pod, Scheme::MicroMu, Filter::default())
}

/// Merges pods, and returns each service as `name version: id@address …`.
fn merged(pods: &[Pod]) -> Vec<String> {
    let listings: Vec<_> = pods.iter().map(listing).collect();
    merge(&listings).iter().map(line).collect()
}

fn line(service: &Service) -> String {
    let mut line = format!("{} {}:", service.name, service.version);
    for node in service.nodes.iter().flatten() {
        line = format!("{line} {}@{}", node.id, node.address);
    }
    line
}

const GREETER: &str = "micro.mu/service-greeter";

#[test]
fn pods_of_one_version_are_one_service() {
    let pods = [
        pod(
            "b",
            1,
            &[(GREETER, record("greeter", "1", &[("g-b", "10.0.0.2:80")]))],
        ),
        pod(
            "a",
            1,
            &[(GREETER, record("greeter", "1", &[("g-a", "10.0.0.1:80")]))],
        ),
        pod(
            "c",
            2,
            &[(GREETER, record("greeter", "2", &[("g-c", "10.0.0.3:80")]))],
        ),
        pod(
            "d",
            2,
            &[(
                "micro.mu/service-other",
                record("other", "1", &[("o", "10.0.0.4:80")]),
            )],
        ),
        pod("e", 2, &[("example.com/note", json!("nothing of ours"))]),
    ];
    assert_eq!(
        merged(&pods),
        [
            "greeter 1: g-a@10.0.0.1:80 g-b@10.0.0.2:80",
            "greeter 2: g-c@10.0.0.3:80",
            "other 1: o@10.0.0.4:80",
        ]
    );
}

#[test]
fn the_record_of_the_newer_pod_counts() {
    // The address now belongs to another pod, so the older pod's annotation is stale.
    let same_address = [
        pod(
            "old",
            1,
            &[(GREETER, record("greeter", "1", &[("g-old", "10.0.0.1:80")]))],
        ),
        pod(
            "new",
            2,
            &[(GREETER, record("greeter", "1", &[("g-new", "10.0.0.1:80")]))],
        ),
    ];
    assert_eq!(merged(&same_address), ["greeter 1: g-new@10.0.0.1:80"]);
    let same_id = [
        pod(
            "new",
            2,
            &[(GREETER, record("greeter", "1", &[("g", "10.0.0.2:80")]))],
        ),
        pod(
            "old",
            1,
            &[(GREETER, record("greeter", "1", &[("g", "10.0.0.1:80")]))],
        ),
    ];
    assert_eq!(merged(&same_id), ["greeter 1: g@10.0.0.2:80"]);
    let mut newer = record("greeter", "1", &[]);
    newer["metadata"] = json!({"from": "newer"});
    let pods = [
        pod("a", 1, &[(GREETER, record("greeter", "1", &[]))]),
        pod("b", 2, &[(GREETER, newer)]),
    ];
    let services = merge(&pods.map(|pod| listing(&pod)));
    let metadata = services[0].metadata.as_ref().unwrap();
    assert_eq!(metadata["from"], "newer");
}

#[test]
fn one_pod_may_have_two_nodes_at_one_address() {
    let nodes = [
        ("grpc", "10.0.0.1:80"),
        ("http", "10.0.0.1:80"),
        ("x", ""),
        ("y", ""),
    ];
    let pods = [
        pod("a", 1, &[(GREETER, record("greeter", "1", &nodes))]),
        pod("b", 2, &[(GREETER, record("greeter", "1", &[("z", "")]))]),
    ];
    assert_eq!(
        merged(&pods),
        ["greeter 1: grpc@10.0.0.1:80 http@10.0.0.1:80 x@ y@ z@"]
    );
}

#[test]
fn a_pod_that_is_not_ready_does_not_count() {
    type Change = fn(&mut Pod);
    let not_ready: Change = |pod| {
        let conditions = pod.status.as_mut().unwrap().conditions.as_mut().unwrap();
        conditions[0].status = "False".into();
    };
    let pending: Change = |pod| pod.status.as_mut().unwrap().phase = Some("Pending".into());
    let failed: Change = |pod| pod.status.as_mut().unwrap().phase = Some("Failed".into());
    let terminating: Change = |pod| {
        pod.metadata.deletion_timestamp = pod.metadata.creation_timestamp.clone();
    };
    let silent: Change = |pod| pod.status = None;
    for (change, counts, counts_if_included, hidden) in [
        ((|_| ()) as Change, true, true, false),
        (not_ready, false, true, true),
        (pending, false, false, false),
        (failed, false, false, false),
        (terminating, false, false, false),
        (silent, false, false, false),
    ] {
        let mut pod = pod("a", 1, &[(GREETER, record("greeter", "1", &[]))]);
        change(&mut pod);
        let include = Filter {
            include_not_ready: true,
            ..Filter::default()
        };
        let included = PodRecords::of(&pod, Scheme::MicroMu, include);
        let listing = listing(&pod);
        assert_eq!(listing.names().count() == 1, counts, "{pod:?}");
        assert_eq!(included.names().count() == 1, counts_if_included, "{pod:?}");
        assert_eq!(listing.is_hidden(), hidden, "{pod:?}");
        assert!(!included.is_hidden(), "{pod:?}");
    }
}

#[test]
fn bad_annotations_are_skipped_and_the_rest_of_the_pod_is_not() {
    let pod = pod(
        "a",
        1,
        &[
            (GREETER, json!("{\"name\":7}")),
            ("micro.mu/service-a_b", record("a/b", "1", &[])),
            ("micro.mu/service-other", record("else", "1", &[])),
            ("micro.mu/service-litter", json!("")),
            ("go.micro/s6", record("s6", "1", &[])),
        ],
    );
    let read = listing(&pod);
    assert_eq!(read.names().collect::<Vec<_>>(), ["a/b"]);
    let skipped: Vec<_> = read.skipped().iter().map(ToString::to_string).collect();
    assert_eq!(
        skipped,
        [
            "annotation micro.mu/service-greeter of pod a is not the JSON of a go-micro service: invalid type: integer `7`, expected a string at line 1 column 9",
            "annotation micro.mu/service-other of pod a is the record of another service, \"else\"",
        ]
    );
    let go_micro = PodRecords::of(&pod, Scheme::GoMicro, Filter::default());
    assert_eq!(go_micro.names().collect::<Vec<_>>(), ["s6"]);
}

#[test]
fn a_lookup_returns_no_other_service_of_the_same_key() {
    let pod = pod("a", 1, &[("micro.mu/service-a_b", record("a:b", "1", &[]))]);
    let count = |name| {
        let filter = Filter {
            name: Some(name),
            ..Filter::default()
        };
        let listing = PodRecords::of(&pod, Scheme::MicroMu, filter);
        (listing.names().count(), listing.skipped().len())
    };
    assert_eq!(count("a:b"), (1, 0));
    assert_eq!(count("a/b"), (0, 1));
    assert_eq!(count("greeter"), (0, 0));
}

#[test]
fn the_report_of_a_bad_annotation_is_bounded() {
    let long = format!("{{\"metadata\":\"{}\"}}", "x".repeat(10_000));
    let pod = pod("a", 1, &[(GREETER, json!(long))]);
    let skipped = listing(&pod).skipped()[0].to_string();
    assert!(skipped.len() < 400, "{skipped}");
}
