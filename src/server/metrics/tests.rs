//! Checks every name, its escaping, and its documentation.

use std::sync::Arc;
use std::time::Duration;

use super::*;
use crate::check::Check;
use crate::check::unhealthy::Unhealthy;

fn snapshot() -> Snapshot {
    let mut record = Record::default();
    for (second, verdict) in [(1, Ok(())), (2, Err(Unhealthy::NoDebug("Debug.Health")))] {
        let at = SystemTime::UNIX_EPOCH + Duration::from_secs(second);
        record.observe(&Arc::new(Check {
            verdict,
            reached: crate::net::stage::Stage::Waiting,
            took: Duration::from_millis(3),
            at,
            finished: tokio::time::Instant::now(),
        }));
    }
    let ends = SystemTime::UNIX_EPOCH + Duration::from_secs(1_893_553_445);
    let target = |name: &str| Target {
        name: name.into(),
        protocol: "grpc",
        certificate_expiry: (name == "greeter").then_some(ends),
        record: record.clone(),
    };
    let requests = Requests::from([(("/health", 200, Client::Kubelet), 7)]);
    let process = Process {
        resident_bytes: 1 << 20,
        cpu_seconds: 0.5,
        open_fds: 9,
        started: SystemTime::UNIX_EPOCH,
    };
    Snapshot {
        targets: vec![target("greeter"), target("a\"b\n")],
        requests,
        process: Some(process),
        registration: Some(status::example()),
    }
}

#[test]
fn the_text_has_every_name_of_the_contract() {
    let text = text(snapshot());
    for line in [
        "health_sidecar_target_healthy{target=\"greeter\",protocol=\"grpc\"} 0",
        "health_sidecar_checks_total{target=\"greeter\",result=\"ok\"} 1",
        "health_sidecar_checks_total{target=\"greeter\",result=\"no_debug\"} 1",
        "health_sidecar_state_transitions_total{target=\"greeter\",to=\"unhealthy\"} 1",
        "health_sidecar_consecutive_failures{target=\"greeter\"} 1",
        "health_sidecar_last_success_timestamp_seconds{target=\"greeter\"} 1.0",
        "health_sidecar_tls_certificate_expiry_timestamp_seconds{target=\"greeter\"} 1893553445.0",
        "health_sidecar_check_duration_seconds_bucket{le=\"0.005\",target=\"greeter\"} 2",
        "health_sidecar_check_duration_seconds_bucket{le=\"+Inf\",target=\"greeter\"} 2",
        "health_sidecar_check_duration_seconds_count{target=\"greeter\"} 2",
        "health_sidecar_http_requests_total{path=\"/health\",code=\"200\",client=\"kubelet\"} 7",
        "health_sidecar_registry_registered 1",
        "health_sidecar_registry_connected 0",
        "health_sidecar_registry_stale 1",
        "health_sidecar_registry_patches_total{result=\"ok\",reason=\"register\"} 1",
        "health_sidecar_registry_foreign_rewrites_total 0",
        "health_sidecar_registry_last_verified_timestamp_seconds 0.0",
        "process_resident_memory_bytes 1048576",
        "process_cpu_seconds_total 0.5",
        "process_open_fds 9",
        "process_start_time_seconds 0.0",
    ] {
        assert!(
            text.lines().any(|written| written == line),
            "{line} is not in\n{text}"
        );
    }
    assert!(
        text.contains("health_sidecar_build_info{version=\"0.1.0\",commit=\""),
        "{text}"
    );
}

#[test]
fn every_name_is_documented() {
    let documented = include_str!("../../../docs/metrics.md");
    for line in text(snapshot()).lines() {
        if let Some(family) = line.strip_prefix("# TYPE ") {
            let name = family.split(' ').next().unwrap();
            assert!(documented.contains(&format!("`{name}`")), "{name}");
        }
    }
}

#[test]
fn a_service_without_a_certificate_has_no_series_of_it() {
    let text = text(snapshot());
    let series = text
        .lines()
        .filter(|line| line.starts_with("health_sidecar_tls_"));
    assert_eq!(series.count(), 1, "{text}");
}

#[test]
fn a_hostile_name_is_escaped() {
    assert!(text(snapshot()).contains(r#"{target="a\"b\n","#));
}

#[test]
fn clients_are_a_closed_set() {
    for (agent, expected) in [
        (Some(&b"kube-probe/1.36"[..]), Client::Kubelet),
        (Some(b"Prometheus/3.5.0"), Client::Prometheus),
        (Some(b"curl/8"), Client::Other),
        (None, Client::Other),
    ] {
        assert_eq!(Client::of(agent), expected);
    }
}
