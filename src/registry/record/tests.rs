use proptest::prelude::*;
use serde_json::json;

use super::*;

/// Bodies of PATCH requests that real Go clients sent for the same service.
const SENT: [(&str, &str); 6] = [
    (
        "A",
        include_str!("../../../tests/wire/registry/s4-old.register.json"),
    ),
    (
        "B",
        include_str!("../../../tests/wire/registry/s4-v1.register.json"),
    ),
    (
        "B",
        include_str!("../../../tests/wire/registry/s4-v2.register.json"),
    ),
    (
        "B",
        include_str!("../../../tests/wire/registry/s6.register.json"),
    ),
    (
        "B",
        include_str!("../../../tests/wire/registry/v4.register.json"),
    ),
    (
        "C",
        include_str!("../../../tests/wire/registry/v4c.register.json"),
    ),
];

fn map<const N: usize>(entries: [(&str, &str); N]) -> BTreeMap<String, String> {
    let entry = |(name, value): (&str, &str)| (name.to_owned(), value.to_owned());
    entries.map(entry).into()
}

fn greeter() -> Service {
    let message = |name: &str, field: &str| Value {
        name: name.into(),
        r#type: name.into(),
        values: Some(vec![Value {
            name: field.into(),
            r#type: "string".into(),
            values: None,
        }]),
    };
    Service {
        name: "greeter".into(),
        version: "latest".into(),
        metadata: None,
        endpoints: Some(vec![Endpoint {
            name: "Greeter.Hello".into(),
            request: Some(message("HelloRequest", "name")),
            response: Some(message("HelloResponse", "greeting")),
            metadata: Some(map([])),
        }]),
        nodes: Some(vec![Node {
            id: "greeter-11111111-2222-3333-4444-555555555555".into(),
            address: "10.1.0.112:8080".into(),
            metadata: Some(map([
                ("broker", "http"),
                ("protocol", "grpc"),
                ("registry", "kubernetes"),
                ("server", "grpc"),
                ("transport", "grpc"),
            ])),
        }]),
    }
}

/// The record in a recorded body.
fn annotation(body: &str) -> String {
    let body: serde_json::Value = serde_json::from_str(body).expect("must be JSON");
    let annotations = body["metadata"]["annotations"].as_object().unwrap();
    assert_eq!(annotations.len(), 1);
    annotations
        .values()
        .next()
        .unwrap()
        .as_str()
        .unwrap()
        .into()
}

#[test]
fn every_generation_is_read() {
    for (generation, body) in SENT {
        let read = Service::from_json(&annotation(body)).expect(generation);
        assert_eq!(read, greeter(), "{generation}");
    }
}

#[test]
fn a_record_is_written_as_generation_b_writes_it() {
    for (generation, body) in SENT {
        let same = annotation(body) == greeter().to_json();
        assert_eq!(same, generation == "B", "{generation}");
    }
    let nothing = Service::default().to_json();
    let expected = r#"{"name":"","version":"","metadata":null,"endpoints":null,"nodes":null}"#;
    assert_eq!(nothing, expected);
}

#[test]
fn escapes_are_those_of_a_go_writer() {
    let service = Service {
        name: "héllo<&>x".into(),
        metadata: Some(map([("z", "\u{2028}"), ("a", "\u{fffd}x")])),
        endpoints: Some(Vec::new()),
        ..Service::default()
    };
    let written = concat!(
        r#"{"name":"héllo\u003c\u0026\u003ex","version":"","metadata":{"a":"�x","z":"\u2028"},"#,
        r#""endpoints":[],"nodes":null}"#
    );
    assert_eq!(service.to_json(), written);
    assert_eq!(Service::from_json(written).unwrap(), service);
}

#[test]
fn a_separate_port_is_joined_to_the_address() {
    for (address, port, expected) in [
        ("10.1.0.112", json!(8080), "10.1.0.112:8080"),
        ("greeter.demo", json!(8080), "greeter.demo:8080"),
        ("fd00::1", json!(8080), "[fd00::1]:8080"),
        ("[fd00::1]", json!(8080), "[fd00::1]:8080"),
        ("[fd00::1]:9090", json!(8080), "[fd00::1]:9090"),
        ("10.1.0.112:9090", json!(8080), "10.1.0.112:9090"),
        ("10.1.0.112:8080", json!(0), "10.1.0.112:8080"),
        ("10.1.0.112", json!(0), "10.1.0.112"),
        ("10.1.0.112", json!(null), "10.1.0.112"),
        ("", json!(8080), ""),
        // Fields of that name which generation A cannot have written.
        ("10.1.0.112", json!("http"), "10.1.0.112"),
        ("10.1.0.112", json!(-1), "10.1.0.112"),
        ("10.1.0.112", json!(70000), "10.1.0.112"),
        ("10.1.0.112", json!(80.5), "10.1.0.112"),
        ("10.1.0.112", json!({"a": [1]}), "10.1.0.112"),
    ] {
        let text = json!({"nodes": [{"port": port, "address": address}]}).to_string();
        let service = Service::from_json(&text).expect(&text);
        let nodes = service.nodes.expect(&text);
        assert_eq!(nodes[0].address, expected, "{text}");
    }
}

#[test]
fn text_that_gos_decoder_accepts_is_read() {
    let named = |name: &str| Service {
        name: name.into(),
        ..Service::default()
    };
    let with = |nodes: Vec<Node>| Service {
        nodes: Some(nodes),
        ..Service::default()
    };
    for (text, expected) in [
        ("{}", Service::default()),
        ("null", Service::default()),
        (" {\"name\" : \"a\"}\n", named("a")),
        (r#"{"NAME":"a"}"#, named("a")),
        (r#"{"name":"a","name":null}"#, named("a")),
        (r#"{"name":"a","NaMe":"b"}"#, named("b")),
        (r#"{"name":"a","ttl":5,"x":{"y":[1,null,"z"]}}"#, named("a")),
        (
            r#"{"nodeſ":[],"name":"a"}"#,
            Service {
                nodes: Some(Vec::new()),
                ..named("a")
            },
        ),
        (r#"{"nodes":null}"#, Service::default()),
        (r#"{"nodes":[null,{}]}"#, with(vec![Node::default()])),
        (
            r#"{"metadata":{"a":null}}"#,
            Service {
                metadata: Some(map([("a", "")])),
                ..Service::default()
            },
        ),
        (r#"{"name":"\ud83d\ude00"}"#, named("😀")),
        (r#"{"name":"\ud800x"}"#, named("\u{fffd}x")),
        (r#"{"name":"\udc00\ud800"}"#, named("\u{fffd}\u{fffd}")),
        (r#"{"name":"\ud800\ud83d\ude00"}"#, named("\u{fffd}😀")),
        (r#"{"name":"\\ud800"}"#, named("\\ud800")),
        (r#"{"name":"\\\ud800"}"#, named("\\\u{fffd}")),
    ] {
        assert_eq!(Service::from_json(text).expect(text), expected, "{text}");
    }
}

#[test]
fn text_that_gos_decoder_refuses_is_refused() {
    for text in [
        "",
        "{",
        "[]",
        "\"greeter\"",
        "7",
        "{} x",
        r#"{"name":7}"#,
        r#"{"name":true}"#,
        r#"{"name":["a"]}"#,
        r#"{"metadata":[]}"#,
        r#"{"metadata":{"a":1}}"#,
        r#"{"metadata":"a"}"#,
        r#"{"nodes":{}}"#,
        r#"{"nodes":[[]]}"#,
        r#"{"nodes":["a"]}"#,
        r#"{"nodes":[{"id":1}]}"#,
        r#"{"endpoints":[{"request":[]}]}"#,
        r#"{"endpoints":[{"request":{"values":{}}}]}"#,
        r#"{"name":"\é"}"#,
        r#"{"name":"\ud80"}"#,
        "{\"name\":\"a\nb\"}",
        "\\",
    ] {
        let refusal = Service::from_json(text).expect_err(text);
        assert!(
            refusal
                .to_string()
                .starts_with("not the JSON of a go-micro service: ")
        );
    }
    let refusal = Service::from_json(r#"{"nodes":["a"]}"#).unwrap_err();
    assert!(refusal.to_string().contains("expected a node"), "{refusal}");
}

#[test]
fn a_deep_record_is_refused_and_does_not_overflow() {
    let deep = format!("{{\"x\":{}", "[".repeat(100_000));
    assert!(Service::from_json(&deep).is_err());
    let value = r#"{"values":["#.repeat(10_000);
    let deep = format!(r#"{{"endpoints":[{{"request":{value}"#);
    assert!(Service::from_json(&deep).is_err());
}

#[test]
fn absent_and_empty_are_the_same_and_nodes_have_no_order() {
    let empty = |text| Service::from_json(text).unwrap();
    let service = greeter();
    let mut other = service.clone();
    other.metadata = Some(map([]));
    other.endpoints.as_mut().unwrap()[0].metadata = None;
    let response = &mut other.endpoints.as_mut().unwrap()[0].response;
    response.as_mut().unwrap().values.as_mut().unwrap()[0].values = Some(Vec::new());
    assert_ne!(service, other);
    assert!(service.same_as(&other));
    assert!(empty(r#"{"nodes":[],"endpoints":[]}"#).same_as(&Service::default()));
    assert!(!empty(r#"{"nodes":[{}]}"#).same_as(&Service::default()));
    assert!(!empty(r#"{"endpoints":[{"request":{}}]}"#).same_as(&empty(r#"{"endpoints":[{}]}"#)));
    other.nodes.as_mut().unwrap().push(Node::default());
    let mut turned = other.clone();
    turned.nodes.as_mut().unwrap().reverse();
    assert!(turned.same_as(&other) && !turned.same_as(&service));
    let mut other = service.clone();
    other.version = "2".into();
    assert!(!service.same_as(&other));
}

fn text() -> impl Strategy<Value = String> {
    prop_oneof![
        "[a-z<>&\"\\\\]{0,8}",
        proptest::collection::vec(any::<char>(), 0..4)
            .prop_map(|chars| chars.into_iter().collect()),
    ]
}

fn texts() -> impl Strategy<Value = Option<BTreeMap<String, String>>> {
    proptest::option::of(proptest::collection::btree_map(text(), text(), 0..3))
}

fn value() -> impl Strategy<Value = Value> {
    let value = |values| {
        (text(), text(), values).prop_map(|(name, r#type, values)| Value {
            name,
            r#type,
            values,
        })
    };
    value(Just(None).boxed()).prop_recursive(3, 8, 2, move |inner| {
        value(proptest::option::of(proptest::collection::vec(inner, 0..3)).boxed())
    })
}

prop_compose! {
    fn node()(id in text(), address in text(), metadata in texts()) -> Node {
        Node { id, address, metadata }
    }
}

prop_compose! {
    fn endpoint()(
        name in text(),
        request in proptest::option::of(value()),
        response in proptest::option::of(value()),
        metadata in texts(),
    ) -> Endpoint {
        Endpoint { name, request, response, metadata }
    }
}

prop_compose! {
    fn any_service()(
        name in text(),
        version in text(),
        metadata in texts(),
        endpoints in proptest::option::of(proptest::collection::vec(endpoint(), 0..3)),
        nodes in proptest::option::of(proptest::collection::vec(node(), 0..3)),
    ) -> Service {
        Service { name, version, metadata, endpoints, nodes }
    }
}

proptest! {
    #[test]
    fn a_written_record_is_read_back(service in any_service()) {
        let text = service.to_json();
        let read = Service::from_json(&text).expect(&text);
        prop_assert_eq!(&read, &service);
        prop_assert!(read.same_as(&service));
        prop_assert_eq!(read.to_json(), text);
    }

    #[test]
    fn a_written_record_has_the_same_value_for_other_parsers(service in any_service()) {
        let plain = serde_json::to_value(&service).unwrap();
        let ours: serde_json::Value = serde_json::from_str(&service.to_json()).unwrap();
        prop_assert_eq!(ours, plain);
    }

    #[test]
    fn no_text_panics(text in "(\\{|\\}|\"|\\\\|\\\\ud8|name|nodes|:|,|\\[|\\]|é|.){0,40}") {
        let _ = Service::from_json(&text);
    }
}
