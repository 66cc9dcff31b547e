//! Slices as the `EndpointSlice` controller writes them.

use serde_json::{Value, json};

/// Returns a slice of a Service, whose addresses begin with `10.` and end with consecutive numbers.
pub fn slice(service: &str, first: usize, count: usize) -> Value {
    let endpoints = (first..first + count).map(|number| {
        let [_, b, c, d] = u32::try_from(number).unwrap_or_default().to_be_bytes();
        json!({
            "addresses": [format!("10.{b}.{c}.{d}")],
            "conditions": { "ready": true, "serving": true, "terminating": false },
            "nodeName": format!("node-{:03}", number % 500),
            "targetRef": {
                "kind": "Pod",
                "name": format!("{service}-6d4b75cb6d-{number:05x}"),
                "namespace": "shop",
                "uid": format!("0b5d3e7c-2f61-4c1a-9d3e-{number:012x}"),
            },
            "zone": format!("eu-central-1{}", ["a", "b", "c"][number % 3]),
        })
    });
    json!({
        "apiVersion": "discovery.k8s.io/v1",
        "kind": "EndpointSlice",
        "metadata": {
            "generateName": format!("{service}-"),
            "namespace": "shop",
            "uid": "7f0c6a52-83f5-4a3a-a5d4-0c6f3f7f9a11",
            "labels": {
                "endpointslice.kubernetes.io/managed-by": "endpointslice-controller.k8s.io",
                "kubernetes.io/service-name": service,
            },
            "ownerReferences": [{ "apiVersion": "v1", "kind": "Service", "name": service, "uid": "1" }],
            "managedFields": [{
                "manager": "kube-controller-manager", "operation": "Update", "apiVersion": "discovery.k8s.io/v1",
                "fieldsType": "FieldsV1", "fieldsV1": { "f:addressType": {}, "f:endpoints": {}, "f:ports": {} },
            }],
        },
        "addressType": "IPv4",
        "endpoints": endpoints.collect::<Value>(),
        "ports": [{ "name": "grpc", "port": 50051, "protocol": "TCP" }],
    })
}
