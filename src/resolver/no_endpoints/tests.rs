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
