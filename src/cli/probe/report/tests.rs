//! The output lines of each verdict.

use std::time::SystemTime;

use super::*;
use crate::check::verdict::Verdict;
use crate::net::stage::Stage;

fn line(tool: Tool, output: Output, verdict: Verdict, reached: Stage) -> String {
    let check = Check {
        verdict,
        reached,
        took: Duration::from_nanos(421_999),
        at: SystemTime::UNIX_EPOCH,
        finished: tokio::time::Instant::now(),
    };
    let exit_code = tool.exit_code(&check);
    let facts = Outcome {
        service: "greeter",
        address: "localhost:9091".into(),
        protocol: "grpc",
        check: &check,
        rows: Vec::new(),
        exit_code,
    };
    facts.line(tool, output)
}

#[test]
fn health_probe_names_the_service_and_the_reason() {
    let degraded = Err(Unhealthy::NotServing("status \"degraded\"".into()));
    for (verdict, expected) in [
        (Ok(()), "greeter at localhost:9091 is healthy (grpc, 421µs)"),
        (
            degraded,
            "greeter at localhost:9091 is unhealthy: service reports status \"degraded\" (not_serving, grpc, 421µs)",
        ),
    ] {
        assert_eq!(
            line(Tool::Health, Output::Text, verdict, Stage::Waiting),
            expected
        );
    }
}

#[test]
fn json_is_one_line() {
    assert_eq!(
        line(Tool::Health, Output::Json, Ok(()), Stage::Waiting),
        r#"{"healthy":true,"service":"greeter","address":"localhost:9091","protocol":"grpc","took_ms":0.421,"exit_code":0}"#
    );
    let denied = Err(Unhealthy::Denied("token\nplease".into()));
    assert_eq!(
        line(Tool::Health, Output::Json, denied, Stage::Waiting),
        r#"{"healthy":false,"service":"greeter","address":"localhost:9091","protocol":"grpc","took_ms":0.421,"reason":"denied","message":"service denies the check: token please","to_do":"exempt Debug.Health from the service's authentication","exit_code":3}"#
    );
}

#[test]
fn grpc_health_probe_keeps_its_lines() {
    let second = Duration::from_secs(1);
    for (verdict, reached, expected) in [
        (Ok(()), Stage::Waiting, "status: SERVING"),
        (
            Err(Unhealthy::NotServing("NOT_SERVING".into())),
            Stage::Waiting,
            "service unhealthy (responded with \"NOT_SERVING\")",
        ),
        (
            Err(Unhealthy::Deadline(second, Stage::AwaitingSettings)),
            Stage::AwaitingSettings,
            "timeout: failed to connect service \"localhost:9091\" within 1s",
        ),
        (
            Err(Unhealthy::Unreachable("refused".into())),
            Stage::Connecting,
            "error: failed to connect service at \"localhost:9091\": service cannot be reached: refused",
        ),
        (
            Err(Unhealthy::Deadline(second, Stage::Waiting)),
            Stage::Waiting,
            "timeout: health rpc did not complete within 1s",
        ),
        (
            Err(Unhealthy::NoDebug("grpc.health.v1.Health")),
            Stage::Waiting,
            "error: this server does not implement the grpc health protocol (grpc.health.v1.Health)",
        ),
        (
            Err(Unhealthy::UnknownService("x".into())),
            Stage::Waiting,
            "error: health rpc failed: service has no health status for \"x\"",
        ),
    ] {
        assert_eq!(
            line(Tool::GrpcHealth, Output::Text, verdict, reached),
            expected
        );
    }
}
