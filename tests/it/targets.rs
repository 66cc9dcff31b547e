//! The targets of one pod, the age of cached verdicts, and liveness.

use serde_json::Value;
use testkit::kubelet::{self, HEALTH_JSON, TIMEOUT};
use testkit::process::Process;
use testkit::scripts::{debug_service, mucp, read_request, silent};
use testkit::service::{Count, Script, Service};
use tokio::io::AsyncWriteExt as _;

use crate::PROGRAM;
use crate::sidecar::Sidecar;

#[tokio::test]
async fn each_target_has_its_path_and_health_is_all_of_them() {
    let (greeter, payments) = (Service::start(mucp()).await, Service::start(mucp()).await);
    let target = format!("--target=payments={}", payments.address);
    let sidecar = Sidecar::start(greeter.address, &[&target]).await;
    for path in [
        "/health",
        "/health/greeter",
        "/health/payments",
        "/healthz",
        "/readyz",
    ] {
        assert_eq!(
            sidecar.probe(path).await.status_and_body(),
            (200, "OK"),
            "{path}"
        );
    }

    payments.stop().await;

    for (path, expected) in [
        ("/health", (500, "NOT_HEALTHY")),
        ("/health/payments", (500, "NOT_HEALTHY")),
        ("/health/greeter", (200, "OK")),
        ("/readyz", (503, "NOT_HEALTHY")),
    ] {
        assert_eq!(
            sidecar.probe(path).await.status_and_body(),
            expected,
            "{path}"
        );
    }
    let verbose = sidecar.probe("/health?verbose").await.body;
    assert_eq!(
        verbose,
        "[+]greeter ok\n[-]payments failed: unreachable\nhealth check failed\n"
    );
}

#[tokio::test]
async fn an_unknown_name_is_404_without_a_check() {
    let greeter = Service::start(mucp()).await;
    let sidecar = Sidecar::start(greeter.address, &[]).await;
    for path in [
        "/health/nobody",
        "/health/",
        "/health/greeter/x",
        "/health/127.0.0.1:80",
    ] {
        assert_eq!(sidecar.probe(path).await.status, 404, "{path}");
    }
    assert_eq!(greeter.accepted(), 0);
}

#[tokio::test]
async fn all_targets_together_take_no_longer_than_one() {
    let hanging = [
        Service::start(silent()).await,
        Service::start(silent()).await,
        Service::start(silent()).await,
    ];
    let targets: Vec<_> = hanging
        .iter()
        .enumerate()
        .map(|(n, service)| format!("--target=t{n}={}", service.address))
        .collect();
    let flags: Vec<_> = targets.iter().map(String::as_str).collect();
    let sidecar = Sidecar::start(hanging[0].address, &flags).await;

    // The probe panics if the answer takes longer than the kubelet's second.
    assert_eq!(sidecar.probe("/health").await.status, 500);
}

#[tokio::test]
async fn a_cached_verdict_is_served_with_its_age() {
    let checks = Count::default();
    let (health, script) = debug_service(&checks);
    let greeter = Service::start(script).await;
    let sidecar = Sidecar::start(greeter.address, &["--cache=1m", "--protocol=grpc"]).await;
    assert_eq!(sidecar.probe("/health").await.status, 200);
    health.set("degraded");

    assert_eq!(sidecar.probe("/health").await.status, 200);
    assert_eq!(checks.get(), 1);
    let answer = kubelet::get(sidecar.address, "/health", HEALTH_JSON, TIMEOUT).await;
    let json: Value = serde_json::from_str(&answer.body).unwrap();
    assert!(
        json["checks"]["greeter:responseTime"][0]["ageMs"].is_u64(),
        "{json}"
    );
}

#[tokio::test]
async fn a_verdict_older_than_the_cache_is_not_served() {
    let checks = Count::default();
    let (health, script) = debug_service(&checks);
    let greeter = Service::start(script).await;
    let sidecar = Sidecar::start(greeter.address, &["--cache=1ns", "--protocol=grpc"]).await;
    assert_eq!(sidecar.probe("/health").await.status, 200);
    health.set("degraded");

    assert_eq!(sidecar.probe("/health").await.status, 500);
    assert_eq!(checks.get(), 2);
}

#[tokio::test]
async fn liveness_can_ignore_an_unhealthy_service_that_answers() {
    let (health, script) = debug_service(&Count::default());
    let greeter = Service::start(script).await;
    let sidecar = Sidecar::start(greeter.address, &["--liveness=answers"]).await;
    health.set("draining");
    for (path, status) in [("/healthz", 200), ("/readyz", 503), ("/health", 500)] {
        assert_eq!(sidecar.probe(path).await.status, status, "{path}");
    }

    greeter.stop().await;

    assert_eq!(sidecar.probe("/healthz").await.status, 503);
}

#[tokio::test]
async fn exits_with_exit_code_after_failures_of_a_healthy_service() {
    let greeter = Service::start(mucp()).await;
    let flags = ["--exit_after_failures=2", "--exit_code=88", "--period=10ms"];
    let mut sidecar = Process::start(PROGRAM, greeter.address, &flags).await;
    sidecar.logged("Service is healthy").await;

    greeter.stop().await;

    assert_eq!(sidecar.exit().await.code(), Some(88));
}

#[tokio::test]
async fn the_monitor_counts_real_checks_whatever_the_cache_says() {
    let checks = Count::default();
    let (_health, script) = debug_service(&checks);
    let greeter = Service::start(script).await;
    let flags = [
        "--cache=1m",
        "--period=10ms",
        "--exit_after_failures=3",
        "--protocol=grpc",
    ];
    let sidecar = Sidecar::start(greeter.address, &flags).await;

    // A monitor that read the cache would check once a minute.
    checks.reaches(5).await;

    // Probes are still answered from the cache.
    assert_eq!(
        sidecar.probe("/health").await.status_and_body(),
        (200, "OK")
    );
}

#[tokio::test]
async fn one_bad_answer_does_not_count_as_three_failures() {
    // The service is degraded for a single call.
    let (calls, bad) = (Count::default(), 3);
    let counted = calls.clone();
    let greeter = Service::start(Script::new(move |mut stream| {
        let calls = counted.clone();
        async move {
            while read_request(&mut stream).await.is_some() {
                calls.add();
                let status = if calls.get() == bad { "degraded" } else { "ok" };
                let body = format!("{{\"id\":\"1\",\"result\":{{\"status\":\"{status}\"}},\"error\":null}}");
                let answer = format!(
                    "HTTP/1.1 200 OK\r\nContent-Type: application/json-rpc\r\nContent-Length: {}\r\n\r\n{body}",
                    body.len()
                );
                let _ = stream.write_all(answer.as_bytes()).await;
            }
        }
    }))
    .await;
    let flags = [
        "--cache=1m",
        "--period=10ms",
        "--exit_after_failures=2",
        "--protocol=mucp",
    ];
    let mut sidecar = Process::start(PROGRAM, greeter.address, &flags).await;

    calls.reaches(bad + 5).await;
    sidecar.signal("TERM").await;

    assert_eq!(sidecar.exit().await.code(), Some(0));
}
