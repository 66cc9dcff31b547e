//! The exit code, by which a script or Docker knows how far the check came.

use super::service::{full, grpc, grpc_health, mucp, refusing, silent, web};
use super::{probe, run_as};

#[tokio::test]
async fn the_exit_code_shows_how_far_the_check_came() {
    let (well, _) = grpc("ok").await;
    let (degraded, _) = grpc("degraded").await;
    let (full, _open) = full();
    let health = grpc_health().await;
    let failing = mucp(r#"{"id":"1","result":null,"error":"plain failure"}"#).await;
    let well_mucp = mucp(r#"{"id":"1","result":{"status":"ok"},"error":null}"#).await;
    let quick = "--check_timeout=300ms";
    for (address, args, code, line) in [
        (well, &[][..], 0, "is healthy (grpc, "),
        (well_mucp, &[], 0, "is healthy (mucp, "),
        (
            degraded,
            &[],
            4,
            "service reports status \"degraded\" (not_serving, grpc, ",
        ),
        (
            failing,
            &[],
            3,
            "service reports plain failure (not_serving, mucp, ",
        ),
        (health, &["--protocol=grpc"], 3, "(no_debug, grpc, "),
        (
            health,
            &["--protocol=grpc", "--without_debug=healthy"],
            0,
            "is healthy",
        ),
        (
            health,
            &["--health_service=up"],
            0,
            "is healthy (grpc-health, ",
        ),
        (
            health,
            &["--health_service=down"],
            4,
            "NOT_SERVING (not_serving, grpc-health, ",
        ),
        (health, &["--health_service=gone"], 3, "(unknown_service, "),
        (web().await, &[], 3, "(protocol, "),
        (web().await, &["--protocol=grpc"], 3, "(protocol, "),
        (refusing().await, &[], 2, "(unreachable, "),
        (full, &[quick], 2, "connecting (deadline, "),
        (
            silent().await,
            &[quick],
            3,
            "waiting for the answer (deadline, ",
        ),
        (
            silent().await,
            &[quick, "--protocol=grpc"],
            3,
            "waiting for the answer (deadline, ",
        ),
    ] {
        let ran = probe(address, args).await;
        assert_eq!(ran.code, code, "{args:?}: {ran:?}");
        assert!(
            ran.out.contains(line) && ran.out.lines().count() == 1,
            "{line}: {ran:?}"
        );
        assert_eq!(ran.err, "", "{ran:?}");
    }
}

#[tokio::test]
async fn exit01_limits_the_exit_codes_to_0_and_1() {
    let (well, _) = grpc("ok").await;
    let (degraded, _) = grpc("degraded").await;
    for (address, code) in [(well, 0), (degraded, 1), (refusing().await, 1)] {
        assert_eq!(probe(address, &["--exit01"]).await.code, code);
        let address = address.to_string();
        let variables = [
            ("MICRO_SERVER_NAME", "greeter"),
            ("MICRO_SERVER_ADDRESS", &address),
            ("MICRO_HEALTH_EXIT01", "true"),
        ];
        assert_eq!(run_as("health", &["probe"], &variables).await.code, code);
    }
}
