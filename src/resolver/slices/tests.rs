//! The numbers are those of kuberesolver's defects in the discovery reference, 1.7.

use proptest::prelude::*;
use serde_json::{Value, json};

use super::*;

pub(in crate::resolver) fn slice(name: &str, kind: &str, endpoints: &Value) -> EndpointSlice {
    let ports = json!([
        { "name": "grpc", "port": 50051, "protocol": "TCP" },
        { "name": "metrics", "port": 9090, "protocol": "TCP" },
    ]);
    with_ports(name, kind, endpoints, &ports)
}

fn with_ports(name: &str, kind: &str, endpoints: &Value, ports: &Value) -> EndpointSlice {
    let slice = json!({
        "metadata": { "name": name, "resourceVersion": "1" },
        "addressType": kind,
        "endpoints": endpoints,
        "ports": ports,
    });
    serde_json::from_value(slice).expect("must be a slice")
}

/// `10.0.0.1` ready, `!10.0.0.2` not, `~10.0.0.3` going, `?10.0.0.4` without conditions.
pub(in crate::resolver) fn endpoints(texts: &[&str]) -> Value {
    let each = texts.iter().map(|text| {
        let conditions = match text.as_bytes()[0] {
            b'!' => json!({ "ready": false, "serving": false, "terminating": false }),
            b'~' => json!({ "ready": false, "serving": true, "terminating": true }),
            b'?' => json!({}),
            _ => json!({ "ready": true, "serving": true, "terminating": false }),
        };
        let address = text.trim_start_matches(['!', '~', '?']);
        json!({ "addresses": [address], "conditions": conditions })
    });
    each.collect()
}

/// The acceptance example's two slices.
fn greeter() -> [EndpointSlice; 2] {
    let a = ["10.244.1.10", "!10.244.1.11", "~10.244.1.12"];
    let b = ["?10.244.2.20", "10.244.1.10"];
    [
        slice("greeter-a", "IPv4", &endpoints(&a)),
        slice("greeter-b", "IPv4", &endpoints(&b)),
    ]
}

fn named(name: &str) -> Port {
    Port::Name(name.to_owned())
}

fn found(slices: &[EndpointSlice], port: &Port, include_not_ready: bool) -> Vec<String> {
    let union = Union::of(slices, port);
    let considered = union.candidates(include_not_ready);
    considered
        .map(|endpoint| endpoint.address.to_string())
        .collect()
}

#[test]
fn the_acceptance_example_resolves() {
    let both = ["10.244.1.10:50051", "10.244.2.20:50051"];
    for port in [named("grpc"), Port::Number(50051), Port::First] {
        assert_eq!(found(&greeter(), &port, false), both, "{port:?}");
    }
    assert_eq!(
        found(&greeter(), &named("metrics"), false),
        ["10.244.1.10:9090", "10.244.2.20:9090"]
    );
    assert_eq!(
        found(&greeter(), &named("grpc"), true),
        [
            "10.244.1.10:50051",
            "10.244.1.11:50051",
            "10.244.2.20:50051"
        ]
    );
    assert!(found(&[], &named("grpc"), true).is_empty());
}

#[test]
fn defect_1_a_slice_that_changes_leaves_the_other_alone() {
    let mut slices: Slices = greeter()
        .map(|slice| (slice.metadata.name.clone().unwrap_or_default(), slice))
        .into();
    let changed = slice("greeter-a", "IPv4", &endpoints(&["10.244.1.13"]));
    slices.insert("greeter-a".to_owned(), changed);
    let slices: Vec<_> = slices.into_values().collect();
    assert_eq!(
        found(&slices, &named("grpc"), false),
        [
            "10.244.1.10:50051",
            "10.244.1.13:50051",
            "10.244.2.20:50051"
        ]
    );
}

#[test]
fn defect_1_both_families_and_both_target_ports_count() {
    let [a, _] = greeter();
    let six = slice("greeter-c", "IPv6", &endpoints(&["fd00::1"]));
    let moved = json!([{ "name": "grpc", "port": 50052 }]);
    let moved = with_ports("greeter-d", "IPv4", &endpoints(&["10.244.3.30"]), &moved);
    assert_eq!(
        found(&[a, six, moved], &named("grpc"), false),
        ["10.244.1.10:50051", "10.244.3.30:50052", "[fd00::1]:50051"]
    );
}

#[test]
fn defect_3_no_ready_endpoint_is_an_answer() {
    let none = slice("greeter-a", "IPv4", &endpoints(&["!10.0.0.1", "~10.0.0.2"]));
    assert!(found(&[none], &named("grpc"), false).is_empty());
    let empty = slice("greeter-a", "IPv4", &Value::Null);
    assert!(found(&[empty], &named("grpc"), true).is_empty());
}

#[test]
fn defect_5_a_port_that_is_not_there_is_no_other_port() {
    let union = Union::of(&greeter(), &named("http"));
    assert!(union.endpoints.is_empty());
    let ports: Vec<_> = union.ports.iter().map(ToString::to_string).collect();
    assert_eq!(ports, ["grpc(50051)", "metrics(9090)"]);
}

#[test]
fn defect_6_an_endpoint_without_conditions_is_ready() {
    let union = Union::of(&greeter(), &named("grpc"));
    let endpoint = &union.endpoints[&"10.244.2.20:50051".parse().unwrap()];
    assert!(endpoint.ready && endpoint.serving && !endpoint.terminating);
}

#[test]
fn defect_7_a_slice_without_ports_is_no_reason_to_panic() {
    for ports in [json!(null), json!([]), json!([{ "name": "grpc" }])] {
        let slice = with_ports("greeter-a", "IPv4", &endpoints(&["10.0.0.1"]), &ports);
        let slices = [slice];
        assert!(found(&slices, &Port::First, false).is_empty(), "{ports}");
        assert!(found(&slices, &named("grpc"), false).is_empty(), "{ports}");
        // A number needs no list of ports.
        assert_eq!(found(&slices, &Port::Number(80), false), ["10.0.0.1:80"]);
    }
}

#[test]
fn defect_8_only_the_first_address_counts() {
    let two = json!([
        { "addresses": ["10.0.0.1", "10.0.0.2"] },
        { "addresses": [] },
        { "addresses": ["none"] },
    ]);
    let slices = [slice("greeter-a", "IPv4", &two)];
    assert_eq!(found(&slices, &named("grpc"), false), ["10.0.0.1:50051"]);
}

#[test]
fn defect_12_an_endpoint_of_two_slices_is_one_as_its_readier_self() {
    for (one, other) in [
        ("!10.0.0.1", "10.0.0.1"),
        ("10.0.0.1", "!10.0.0.1"),
        ("~10.0.0.1", "?10.0.0.1"),
        ("10.0.0.1", "10.0.0.1"),
    ] {
        let slices = [
            slice("greeter-a", "IPv4", &endpoints(&[one])),
            slice("greeter-b", "IPv4", &endpoints(&[other])),
        ];
        let union = Union::of(&slices, &named("grpc"));
        let all: Vec<_> = union.ready().collect();
        assert_eq!(all.len(), 1, "{one} {other}");
        assert!(all[0].ready && !all[0].terminating);
        let slices: Vec<_> = all[0].slices.iter().map(|name| &**name).collect();
        assert_eq!(slices, ["greeter-a", "greeter-b"]);
    }
}

#[test]
fn only_tcp_can_be_dialled() {
    let ports = json!([
        { "name": "dns", "port": 53, "protocol": "UDP" },
        { "name": "dns-tcp", "port": 5353 },
    ]);
    let slices = [with_ports(
        "dns-a",
        "IPv4",
        &endpoints(&["10.0.0.1"]),
        &ports,
    )];
    assert_eq!(found(&slices, &Port::First, false), ["10.0.0.1:5353"]);
    assert!(found(&slices, &named("dns"), false).is_empty());
}

#[test]
fn a_name_for_the_platforms_resolver_is_no_address() {
    let fqdn = slice("greeter-a", "FQDN", &endpoints(&["greeter.example.com"]));
    let odd = slice("greeter-b", "IPv4", &endpoints(&["fd00::1"]));
    assert!(found(&[fqdn, odd], &named("grpc"), true).is_empty());
}

#[test]
fn an_unnamed_port_is_asked_for_by_nothing_or_its_number() {
    let ports = json!([{ "name": "", "port": 8080, "protocol": "TCP" }]);
    let slices = [with_ports(
        "greeter-a",
        "IPv4",
        &endpoints(&["10.0.0.1"]),
        &ports,
    )];
    assert_eq!(found(&slices, &Port::First, false), ["10.0.0.1:8080"]);
    assert_eq!(
        found(&slices, &Port::Number(8080), false),
        ["10.0.0.1:8080"]
    );
    let union = Union::of(&slices, &Port::First);
    assert_eq!(union.ports.first().unwrap().to_string(), "8080");
}

#[test]
fn an_endpoint_says_where_it_is() {
    let endpoint = json!([{
        "addresses": ["10.0.0.1"],
        "targetRef": { "kind": "Pod", "name": "greeter-0" },
        "nodeName": "node-1",
        "zone": "a",
    }]);
    let slices = [slice("greeter-a", "IPv4", &endpoint)];
    let union = Union::of(&slices, &named("grpc"));
    let told = serde_json::to_value(union.ready().next()).unwrap();
    assert_eq!(
        told,
        json!({
            "address": "10.0.0.1:50051", "ready": true, "serving": true, "terminating": false,
            "pod": "greeter-0", "node": "node-1", "zone": "a", "slices": ["greeter-a"],
        })
    );
}

/// A change of one of four slices: its few endpoints, or none, or its end.
fn change() -> impl Strategy<Value = (usize, Option<Vec<(u8, u8)>>, u16)> {
    let endpoints = proptest::collection::vec((0..4_u8, 0..6_u8), 0..5);
    (
        0..4_usize,
        proptest::option::weighted(0.8, endpoints),
        1..3_u16,
    )
}

proptest! {
    #[test]
    fn what_follows_the_changes_is_what_all_slices_make(changes in proptest::collection::vec(change(), 1..30)) {
        let ports = [Port::First, Port::Number(80), named("grpc"), named("other")];
        let mut slices = Slices::new();
        let mut unions = ports.clone().map(|_| Union::default());
        for (slice, now, port) in changes {
            let name = format!("greeter-{slice}");
            let now = now.map(|found| {
                let marks = ["", "!", "~", "?"];
                let text = |(mark, ip): &(u8, u8)| format!("{}10.0.0.{ip}", marks[usize::from(*mark)]);
                let texts: Vec<_> = found.iter().map(text).collect();
                let texts: Vec<_> = texts.iter().map(String::as_str).collect();
                let ports = json!([{ "name": "grpc", "port": port }]);
                with_ports(&name, "IPv4", &endpoints(&texts), &ports)
            });
            let before = match now {
                Some(now) => slices.insert(name.clone(), now),
                None => slices.remove(&name),
            };
            for (union, port) in unions.iter_mut().zip(&ports) {
                union.replace(&name, before.as_ref(), &slices, port);
                prop_assert_eq!(&*union, &Union::of(slices.values(), port), "{:?}", port);
            }
        }
    }
}
