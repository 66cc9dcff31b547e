//! What the kubelet asks in each of them.

use super::command_line::{CommandLine, Understood, answering, sidecar};
use super::overlay::{Overlay, containers};
use super::placement::{carried, misplaced, probes};

#[tokio::test]
async fn each_probe_stands_on_the_container_that_it_should_restart() {
    for overlay in Overlay::all().await {
        let spec = overlay.spec();
        let sidecar = answering(&spec);
        let (faults, carries): (&[_], &[_]) = match &*overlay.name {
            // What was published restarts the sidecar.
            "seed-compat" => (&["health livenessProbe asks for the service's health"], &[]),
            // The sidecar itself restarts the pod.
            "restart-all" => (&[], &["startupProbe", "readinessProbe"]),
            _ => (&[], &["startupProbe", "livenessProbe", "readinessProbe"]),
        };
        assert_eq!(misplaced(&spec, sidecar), faults, "{}", overlay.name);
        assert_eq!(carried(&spec, sidecar), carries, "{}", overlay.name);
    }
}

#[tokio::test]
async fn the_kubelet_waits_for_an_answer_longer_than_a_check_takes() {
    for overlay in Overlay::all().await {
        if overlay.name == "seed-compat" {
            continue;
        }
        let spec = overlay.spec();
        for container in containers(&spec) {
            let Some(liveness) = &container.liveness_probe else {
                // The sidecar restarts the pod, and nobody the service alone.
                assert_eq!(
                    (&*overlay.name, &*container.name),
                    ("restart-all", "greeter")
                );
                continue;
            };
            assert_eq!(liveness.timeout_seconds, Some(2), "{}", overlay.name);
        }
    }
}

#[tokio::test]
async fn the_kubelet_reaches_the_sidecar_and_asks_for_a_name_that_it_knows() {
    for overlay in Overlay::all().await {
        let spec = overlay.spec();
        if sidecar(&spec).is_none() {
            continue;
        }
        let line = &CommandLine::all(&spec)[0];
        let Ok(Understood::Sidecar(args)) = line.read() else {
            panic!("{}: {line:?}", overlay.name)
        };
        let mut asked = Vec::new();
        for (_, probe) in containers(&spec).flat_map(probes) {
            if let Some(get) = &probe.http_get {
                asked.push(get.host.as_deref());
            }
            if let Some(grpc) = &probe.grpc {
                let name = grpc.service.as_deref();
                assert_eq!(name, Some(&*args.target.server_name.0), "{}", overlay.name);
            }
        }
        // The pod's address, or on the node's network loopback, where nobody else may ask.
        let loopback = args.server.health_address.is_loopback();
        assert_eq!(
            loopback,
            spec.host_network == Some(true),
            "{}",
            overlay.name
        );
        let host = loopback.then_some("127.0.0.1");
        assert!(
            asked.iter().all(|it| *it == host),
            "{}: {asked:?}",
            overlay.name
        );
    }
}
