use serde_json::json;

use super::*;
use crate::resolver::slices::tests::{endpoints, slice};

fn target(text: &str) -> Target {
    text.parse().unwrap()
}

fn service(spec: &serde_json::Value) -> Known {
    let service = serde_json::from_value(json!({ "spec": spec }));
    Known::There(service.expect("must be a Service"))
}

/// Returns the message for a target whose only slice has these endpoints.
fn said(text: &str, texts: &[&str], include_not_ready: bool, service: &Known) -> String {
    let target = target(text);
    let slices = [slice("greeter-a", "IPv4", &endpoints(texts))];
    let union = Union::of(&slices, &target.port);
    reason(&target, &union, include_not_ready, service)
        .map_or_else(|| "found".to_owned(), |absence| absence.to_string())
}

#[test]
fn a_port_that_is_not_there_lists_those_that_are() {
    assert_eq!(
        said(
            "kubernetes:///greeter.shop:http",
            &["10.0.0.1"],
            false,
            &Known::Nothing
        ),
        "no port named http on greeter.shop; available: grpc(50051), metrics(9090)"
    );
}

#[test]
fn no_service_no_endpoints_and_none_ready_are_three_things() {
    let text = "kubernetes:///greeter.shop:grpc";
    let there = service(&json!({ "ports": [{ "name": "grpc", "port": 80 }] }));
    assert_eq!(said(text, &["10.0.0.1"], false, &Known::Nothing), "found");
    for (include, expected) in [
        (false, "none of the 2 endpoints of greeter.shop is ready"),
        (true, "found"),
    ] {
        let not_ready = ["!10.0.0.1", "~10.0.0.2"];
        assert_eq!(said(text, &not_ready, include, &Known::Nothing), expected);
    }
    for known in [&Known::Nothing, &there] {
        assert_eq!(
            said(text, &[], false, known),
            "greeter.shop has no endpoints"
        );
    }
    let target = target(text);
    let of_no_slice = |known: &Known| {
        let union = Union::of([], &target.port);
        let absence = reason(&target, &union, false, known);
        absence.expect("must be absent").to_string()
    };
    assert_eq!(
        of_no_slice(&Known::Absent),
        "no Service greeter in namespace shop"
    );
    assert_eq!(of_no_slice(&there), "greeter.shop has no endpoints");
    assert_eq!(
        of_no_slice(&Known::Nothing),
        "greeter.shop has no endpoints: is there a Service of this name, and a pod behind it?"
    );
    let external = service(&json!({ "externalName": "greeter.example.com" }));
    assert_eq!(
        of_no_slice(&external),
        "greeter.shop stands for greeter.example.com (ExternalName) and has no endpoints: dial that name instead"
    );
}

#[test]
fn the_services_own_port_is_told_from_its_endpoints() {
    let said = |text: &str, known: &Known| {
        let target = target(text);
        let slices = [slice("greeter-a", "IPv4", &endpoints(&["10.0.0.1"]))];
        let union = Union::of(&slices, &target.port);
        assert_eq!(union.endpoints.len(), 1, "it is dialled all the same");
        let said = unlisted(&target, &union, known).map(|it| it.to_string());
        assert_eq!(said.is_some(), needs_service(&target, &union));
        said.unwrap_or_default()
    };
    let there = service(&json!({ "ports": [{ "name": "grpc", "port": 80 }] }));
    let wrong = "kubernetes:///greeter.shop:80";
    assert_eq!(
        said(wrong, &there),
        "80 is the port of the Service greeter.shop itself, whose endpoints listen on grpc(50051): write kubernetes://shop/greeter:grpc"
    );
    for known in [&Known::Nothing, &Known::Absent] {
        assert_eq!(
            said(wrong, known),
            "80 is none of the ports of greeter.shop: grpc(50051), metrics(9090)"
        );
    }
    assert_eq!(said("kubernetes:///greeter.shop:50051", &there), "");
    assert_eq!(said("kubernetes:///greeter.shop:grpc", &there), "");
}

#[test]
fn a_named_target_port_that_no_container_has_is_named() {
    let found = serde_json::json!([{ "addresses": ["10.0.0.1"], "conditions": { "ready": true } }]);
    let slice = serde_json::from_value(json!({
        "addressType": "IPv4", "endpoints": found, "ports": null,
    }));
    let slices: [crate::resolver::slice::EndpointSlice; 1] = [slice.unwrap()];
    let said = |text: &str, known: &Known| {
        let target = target(text);
        let union = Union::of(&slices, &target.port);
        assert!(needs_service(&target, &union));
        reason(&target, &union, false, known).unwrap().to_string()
    };
    let ports = json!([
        { "name": "grpc", "port": 80, "targetPort": "rpc" },
        { "name": "http", "port": 81, "targetPort": 8080 },
    ]);
    let named = service(&json!({ "ports": ports }));
    let unnamed = service(&json!({ "ports": [{ "port": 80, "targetPort": "rpc" }] }));
    for (text, known, expected) in [
        (
            "kubernetes:///greeter.shop:grpc",
            &named,
            "the port grpc of the Service greeter.shop has the targetPort \"rpc\", which no container",
        ),
        (
            "kubernetes:///greeter.shop",
            &named,
            "the port grpc of the Service greeter.shop has",
        ),
        (
            "kubernetes:///greeter.shop",
            &unnamed,
            "the port 80 of the Service greeter.shop has",
        ),
        (
            "kubernetes:///greeter.shop:http",
            &named,
            "no port named http on greeter.shop; available: none",
        ),
        (
            "kubernetes:///greeter.shop:grpc",
            &Known::Nothing,
            "no port named grpc on greeter.shop",
        ),
        (
            "kubernetes:///greeter.shop",
            &Known::Nothing,
            "greeter.shop has no TCP port",
        ),
    ] {
        let said = said(text, known);
        assert!(said.starts_with(expected), "{said}");
    }
}

#[test]
fn names_are_not_resolved() {
    let target = target("kubernetes:///greeter.shop:grpc");
    let names = slice("greeter-a", "FQDN", &endpoints(&["greeter.example.com"]));
    let none = slice("greeter-b", "IPv4", &endpoints(&[]));
    let union = Union::of(&[names.clone(), none], &target.port);
    assert!(!needs_service(&target, &union));
    let said = reason(&target, &union, true, &Known::Nothing).unwrap();
    let expected = "the endpoints of greeter.shop are names (addressType FQDN)";
    assert!(said.to_string().starts_with(expected), "{said}");
    // An endpoint with an address counts beside it.
    let address = slice("greeter-b", "IPv4", &endpoints(&["10.0.0.1"]));
    let union = Union::of(&[names, address], &target.port);
    assert_eq!(reason(&target, &union, false, &Known::Nothing), None);
}
