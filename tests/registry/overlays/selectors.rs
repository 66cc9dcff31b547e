//! The selectors of the pods: Services and other objects.

use k8s_openapi::api::core::v1::PodSpec;
use serde_json::{Value, json};

use super::overlay::{Overlay, containers};

/// Returns whether a container declares this port by its number or its name.
fn declares(spec: &PodSpec, port: &Value) -> bool {
    let ports = containers(spec).flat_map(|it| it.ports.iter().flatten());
    ports.into_iter().any(|it| {
        let name = it.name.as_deref().map(Value::from);
        *port == it.container_port || name.as_ref() == Some(port)
    })
}

fn selects(selector: &Value, pod: &Value) -> bool {
    let wanted = selector.as_object().expect("a selector must be labels");
    let labels = &pod["metadata"]["labels"];
    !wanted.is_empty() && wanted.iter().all(|(key, value)| labels[key] == *value)
}

#[tokio::test]
async fn a_service_selects_the_pods_and_a_port_of_theirs() {
    for overlay in Overlay::all().await {
        let [service] = overlay.of_kind("Service")[..] else {
            panic!("{} must have one", overlay.name)
        };
        let selected = selects(&service["spec"]["selector"], &overlay.pod());
        // The published selector did not.
        assert_eq!(selected, overlay.name != "seed-compat", "{}", overlay.name);
        let port = &service["spec"]["ports"][0];
        let target = port.get("targetPort").unwrap_or(&port["port"]);
        assert!(declares(&overlay.spec(), target), "{}", overlay.name);
    }
}

#[tokio::test]
async fn the_monitor_scrapes_the_port_of_the_sidecar() {
    let overlay = Overlay::named("pod-monitor").await;
    let [monitor] = overlay.of_kind("PodMonitor")[..] else {
        panic!("there must be one")
    };
    assert!(selects(
        &monitor["spec"]["selector"]["matchLabels"],
        &overlay.pod()
    ));
    let port = &monitor["spec"]["podMetricsEndpoints"][0]["port"];
    assert!(declares(&overlay.spec(), port));
    assert_eq!(
        *port,
        overlay.pod()["spec"]["initContainers"][0]["ports"][0]["name"]
    );
}

#[tokio::test]
async fn the_policy_opens_the_ports_of_the_service_and_the_sidecar() {
    let overlay = Overlay::named("network-policy").await;
    let [policy] = overlay.of_kind("NetworkPolicy")[..] else {
        panic!("there must be one")
    };
    let spec = &policy["spec"];
    assert!(selects(&spec["podSelector"]["matchLabels"], &overlay.pod()));
    let rules = spec["ingress"].as_array().unwrap();
    let ports: Vec<_> = rules.iter().map(|it| &it["ports"][0]["port"]).collect();
    assert_eq!(ports, [&json!(8080), &json!(8081)]);
    assert!(ports.iter().all(|port| declares(&overlay.spec(), port)));
}
