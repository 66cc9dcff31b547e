//! The contract with probers: the status and the body of every path.

use testkit::NAME;
use testkit::client::Answer;
use testkit::kubelet::{self, HEALTH_JSON};
use testkit::scripts::{self, debug_service, failing, silent};
use testkit::service::{Count, Script, Service};
use tonic::Code;

use crate::sidecar::Sidecar;

mod clients;

async fn well() -> (Service, Sidecar) {
    beside(scripts::grpc(), &["--protocol=grpc"]).await
}

async fn unwell() -> (Service, Sidecar) {
    let (health, script) = debug_service(&Count::default());
    health.set("degraded");
    beside(script, &["--protocol=grpc"]).await
}

async fn beside(script: Script, flags: &[&str]) -> (Service, Sidecar) {
    let service = Service::start(script).await;
    let sidecar = Sidecar::start(service.address, flags).await;
    (service, sidecar)
}

#[tokio::test]
async fn the_kubelet_gets_status_and_body_of_every_path() {
    let ok = (200, "OK");
    let alive = (200, "sidecar alive, target not asked");
    let nothing = (404, "404 page not found\n");
    let (_service, well) = well().await;
    let (_service, unwell) = unwell().await;
    for (path, healthy, unhealthy) in [
        ("/health", ok, (500, "NOT_HEALTHY")),
        ("/healthz", ok, (503, "NOT_HEALTHY")),
        ("/readyz", ok, (503, "NOT_HEALTHY")),
        ("/livez", alive, alive),
        ("/health?", ok, (500, "NOT_HEALTHY")),
        ("/health?code=reason", ok, (500, "NOT_HEALTHY")),
        ("/healthz?code=reason&x=y", ok, (503, "NOT_HEALTHY")),
        ("/", nothing, nothing),
        ("/health/", nothing, nothing),
        ("//health", nothing, nothing),
        ("/Health", nothing, nothing),
        ("/healthz/ping", nothing, nothing),
        ("/%68ealth", nothing, nothing),
        ("/metrics/x", nothing, nothing),
    ] {
        assert_eq!(well.probe(path).await.status_and_body(), healthy, "{path}");
        assert_eq!(
            unwell.probe(path).await.status_and_body(),
            unhealthy,
            "{path}"
        );
    }
}

#[tokio::test]
async fn a_plain_answer_is_text_of_known_length_and_not_cached() {
    let (_service, sidecar) = well().await;
    let answer = sidecar.probe("/health").await;
    assert!(
        answer.head.starts_with("HTTP/1.1 200 OK\r\n"),
        "{}",
        answer.head
    );
    for (name, value) in [
        ("content-type", Some("text/plain; charset=utf-8")),
        ("content-length", Some("2")),
        ("cache-control", Some("no-store")),
        ("content-encoding", None),
        ("location", None),
        ("transfer-encoding", None),
    ] {
        assert_eq!(answer.header(name), value, "{name}");
    }
    assert!(answer.header("date").is_some());
}

#[tokio::test]
async fn code_reason_gives_each_reason_its_own_status() {
    let unhealthy = || {
        let (health, script) = debug_service(&Count::default());
        health.set("degraded");
        script
    };
    for (code, status, protocol, script) in [
        ("not_serving", 503, "grpc", unhealthy()),
        ("no_debug", 501, "grpc", scripts::bare_grpc()),
        (
            "unknown_service",
            404,
            "grpc-health",
            failing(Code::NotFound),
        ),
        ("deadline", 504, "grpc", silent()),
        ("denied", 502, "grpc", failing(Code::Unauthenticated)),
        ("denied", 502, "grpc", failing(Code::PermissionDenied)),
        ("protocol", 500, "mucp", scripts::http("", "OK")),
        (
            "unreachable",
            503,
            "mucp",
            Script::new(async |stream| drop(stream)),
        ),
    ] {
        let protocol = format!("--protocol={protocol}");
        let flags = [&protocol, "--check_timeout=200ms", "--health_service=a"];
        let (_service, sidecar) = beside(script, &flags).await;
        for path in ["/healthz", "/readyz"] {
            let with_code = format!("{path}?code=reason");
            assert_eq!(
                sidecar.probe(&with_code).await.status,
                status,
                "{code} {path}"
            );
            assert_eq!(sidecar.probe(path).await.status, 503, "{code} {path}");
        }
        let verbose = sidecar.probe("/healthz?verbose").await.body;
        let expected = format!("[-]{NAME} failed: {code}\nhealthz check failed\n");
        assert_eq!(verbose, expected);
        assert_eq!(sidecar.explain().await.1, code);
    }
}

#[tokio::test]
async fn json_needs_an_accept_header_that_names_it() {
    let (_service, well) = well().await;
    let (_service, unwell) = unwell().await;
    for (accept, is_json) in [
        (HEALTH_JSON, true),
        ("text/html, application/health+json;q=0.9", true),
        ("*/*", false),
        ("application/*", false),
        ("application/json", false),
        ("", false),
    ] {
        for (sidecar, status, word) in [(&well, 200, "pass"), (&unwell, 503, "fail")] {
            let answer = kubelet::get(sidecar.address, "/healthz", accept, kubelet::TIMEOUT).await;
            let content_type = answer.header("content-type").unwrap();
            assert_eq!(
                content_type == HEALTH_JSON,
                is_json,
                "{accept}: {content_type}"
            );
            assert_eq!(answer.status, status);
            if is_json {
                let json: serde_json::Value = serde_json::from_str(&answer.body).unwrap();
                assert_eq!(json["status"], word);
                assert_eq!(json["serviceId"], NAME);
                let measured = &json["checks"]["greeter:responseTime"][0];
                assert!(measured["observedValue"].is_number(), "{json}");
            }
        }
    }
}

#[tokio::test]
async fn verbose_names_the_checks_that_passed() {
    let (_service, sidecar) = well().await;
    let body = sidecar.probe("/readyz?verbose").await.body;
    assert_eq!(body, format!("[+]{NAME} ok\nreadyz check passed\n"));
}

#[tokio::test]
async fn a_long_service_name_keeps_the_answer_small() {
    let name = "长".repeat(5_000);
    let flag = format!("--server_name={name}");
    let (_service, sidecar) = beside(scripts::grpc(), &["--protocol=grpc", &flag]).await;
    for accept in ["*/*", HEALTH_JSON] {
        let Answer { status, body, .. } = kubelet::get(
            sidecar.address,
            "/healthz?verbose",
            accept,
            kubelet::TIMEOUT,
        )
        .await;
        assert_eq!(status, 200);
        assert!(body.len() < 10 << 10, "{}", body.len());
    }
}
