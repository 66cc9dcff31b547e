//! The probes of each overlay.

use std::fs;
use std::path::{Path, PathBuf};

use k8s_openapi::api::core::v1::PodSpec;
use serde_json::Value;

use super::command_line::{CommandLine, Parsed, answering, sidecar};
use super::overlay::{Overlay, containers, documents};
use super::patience::impatient;
use super::placement::{carried, misplaced, probes};

#[tokio::test]
async fn each_probe_stands_on_the_container_that_it_should_restart() {
    for overlay in Overlay::all().await {
        let spec = overlay.spec();
        let sidecar = answering(&spec);
        let (faults, carries): (&[_], &[_]) = match &*overlay.name {
            // The published probe restarts the sidecar.
            "seed-compat" => (&["health livenessProbe checks the service's health"], &[]),
            // The sidecar itself restarts the pod.
            "restart-all" => (&[], &["startupProbe", "readinessProbe"]),
            _ => (&[], &["startupProbe", "livenessProbe", "readinessProbe"]),
        };
        assert_eq!(misplaced(&spec, sidecar), faults, "{}", overlay.name);
        assert_eq!(carried(&spec, sidecar), carries, "{}", overlay.name);
    }
}

#[tokio::test]
async fn a_sidecar_that_hangs_is_restarted_before_the_service_is_blamed() {
    for overlay in Overlay::all().await {
        let spec = overlay.spec();
        let faults: &[_] = match &*overlay.name {
            // The published manifest has one probe, on the sidecar, which fails whenever the
            // service does.
            "seed-compat" => &["health has no livenessProbe of its own"],
            _ => &[],
        };
        let found = impatient(&spec, answering(&spec));
        assert_eq!(found, faults, "{}", overlay.name);
    }
}

#[test]
fn the_probes_on_the_pages_follow_the_same_rules() {
    let mut pages_with_pods = Vec::new();
    for page in pages() {
        let text = fs::read_to_string(&page).expect("a page must be readable");
        let blocks = text.split("\n```yaml\n").skip(1);
        let blocks = blocks.map(|rest| rest.split("```").next().unwrap_or_default());
        for spec in blocks.flat_map(documents).filter_map(|it| pod_spec(&it)) {
            if containers(&spec).all(|it| probes(it).next().is_none()) {
                continue;
            }
            let sidecar = answering(&spec);
            let place = page.display();
            assert_eq!(misplaced(&spec, sidecar), [""; 0], "{place}");
            assert_eq!(impatient(&spec, sidecar), [""; 0], "{place}");
            pages_with_pods.push(page.file_name().unwrap().to_owned());
        }
    }
    assert_eq!(
        pages_with_pods,
        ["README.md"],
        "pages with probes of a whole pod"
    );
}

/// Returns every page for users that may show a manifest.
fn pages() -> Vec<PathBuf> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let mut pages = vec![root.join("README.md"), root.join("k8s/README.md")];
    let docs = fs::read_dir(root.join("docs")).expect("docs/ must be readable");
    pages.extend(docs.map(|entry| entry.unwrap().path()));
    pages.retain(|it| it.extension().is_some_and(|kind| kind == "md"));
    pages
}

/// Returns the pod that a document describes: a workload, a pod, or the part of it that has the containers.
fn pod_spec(document: &Value) -> Option<PodSpec> {
    let places = ["/spec/template/spec", "/spec", ""];
    let found = places.iter().find_map(|place| {
        let spec = document.pointer(place)?;
        spec.get("containers").and(Some(spec))
    });
    let spec = serde_json::from_value(found?.clone());
    Some(spec.unwrap_or_else(|error| panic!("not a pod: {error}\n{document}")))
}

#[tokio::test]
async fn the_kubelets_timeout_is_longer_than_a_check() {
    for overlay in Overlay::all().await {
        if overlay.name == "seed-compat" {
            continue;
        }
        let spec = overlay.spec();
        for container in containers(&spec) {
            let Some(liveness) = &container.liveness_probe else {
                // The sidecar restarts the whole pod, and no probe restarts the service alone.
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
async fn the_kubelet_reaches_the_sidecar_and_probes_a_known_name() {
    for overlay in Overlay::all().await {
        let spec = overlay.spec();
        if sidecar(&spec).is_none() {
            continue;
        }
        let line = &CommandLine::all(&spec)[0];
        let Ok(Parsed::Sidecar(args)) = line.read() else {
            panic!("{}: {line:?}", overlay.name)
        };
        let mut hosts = Vec::new();
        for (_, probe) in containers(&spec).flat_map(probes) {
            if let Some(get) = &probe.http_get {
                hosts.push(get.host.as_deref());
            }
            if let Some(grpc) = &probe.grpc {
                let name = grpc.service.as_deref();
                assert_eq!(name, Some(&*args.target.server_name.0), "{}", overlay.name);
            }
        }
        // The address is the pod's. On the node's network it is loopback, which no other host can
        // reach.
        let loopback = args.server.health_address.is_loopback();
        assert_eq!(
            loopback,
            spec.host_network == Some(true),
            "{}",
            overlay.name
        );
        let host = loopback.then_some("127.0.0.1");
        assert!(
            hosts.iter().all(|it| *it == host),
            "{}: {hosts:?}",
            overlay.name
        );
    }
}
