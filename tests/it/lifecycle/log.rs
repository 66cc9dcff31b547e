//! The log: on change, with the reason and what to do.

use crate::support::process::Process;
use crate::support::scripts::{debug_service, mucp, silent};
use crate::support::service::{Count, Service};

#[tokio::test]
async fn only_a_change_of_the_verdict_is_logged() {
    let (health, script) = debug_service(&Count::default());
    let service = Service::start(script).await;
    let mut sidecar = Process::start(service.address, &[]).await;
    for _ in 0..100 {
        assert_eq!(sidecar.probe("/health").await.status, 200);
    }
    for status in ["degraded", "worse"] {
        health.set(status);
        for _ in 0..10 {
            assert_eq!(sidecar.probe("/health").await.status, 500);
        }
    }
    health.set("ok");
    assert_eq!(sidecar.probe("/health").await.status, 200);
    service.stop().await;
    assert_eq!(sidecar.probe("/health").await.status, 500);

    let log = sidecar.log(5).await;

    let reasons: Vec<_> = log.iter().map(|line| line["reason"].as_str()).collect();
    assert_eq!(
        reasons,
        [None, None, Some("not_serving"), None, Some("unreachable")],
        "{log:#?}"
    );
    for line in log.iter().filter(|line| line["reason"].is_string()) {
        assert!(
            line["to_do"].as_str().is_some_and(|to_do| to_do.len() > 20),
            "{line}"
        );
        assert!(
            line["message"]
                .as_str()
                .is_some_and(|text| text.starts_with("Service is unhealthy: "))
        );
    }
}

#[tokio::test]
async fn every_line_of_a_json_log_is_json() {
    let service = Service::start(silent()).await;
    let flags = ["--log_level=trace", "--check_timeout=100ms"];
    let mut sidecar = Process::start(service.address, &flags).await;
    sidecar.probe("/health").await;
    service.becomes(mucp());
    sidecar.probe("/health").await;
    sidecar.signal("TERM").await;
    sidecar.exit().await;
    for line in sidecar.log(4).await {
        assert!(line["message"].is_string(), "{line}");
    }
}
