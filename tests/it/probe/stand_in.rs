//! The binary under the name of another tool, with that tool's flags, timeouts and exit codes.

use std::time::Duration;

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};

use super::run_as;
use super::service::{full, grpc, grpc_health, refusing, serve, silent, web};

#[tokio::test]
async fn replaces_the_originals_probe() {
    let (well, _) = grpc("ok").await;
    let (degraded, _) = grpc("degraded").await;
    let (full, _open) = full();
    for (address, args, code) in [
        (well, &["-verbose"][..], 0),
        (degraded, &[], 4),
        (grpc_health().await, &["--client=grpc"], 2),
        (refusing().await, &[], 2),
        (full, &["--connect_timeout=200ms"], 2),
        (silent().await, &["-rpc_timeout", "200ms"], 2),
        (well, &["-rpc_timeout=soon"], 1),
    ] {
        let address = format!("-server_address={address}");
        let args = [&["-server_name", "greeter", &address], args].concat();
        let ran = run_as("probe", &args, &[]).await;
        assert_eq!(ran.code, code, "{args:?}: {ran:?}");
    }
    let address = silent().await.to_string();
    let variables = [
        ("MICRO_SERVER_NAME", "greeter"),
        ("MICRO_SERVER_ADDRESS", &address),
        ("MICRO_RPC_TIMEOUT", "100ms"),
    ];
    let ran = run_as("probe", &[], &variables).await;
    assert!(ran.code == 2 && ran.out.contains("within 100ms"), "{ran:?}");
}

#[tokio::test]
async fn replaces_grpc_health_probe() {
    let (full, _open) = full();
    let health = grpc_health().await;
    let (without, _) = grpc("ok").await;
    let connect = "-connect-timeout=200ms";
    for (address, args, code, line) in [
        (health, &[][..], 0, "status: SERVING"),
        (health, &["-service", "up"], 0, "status: SERVING"),
        (
            health,
            &["-service=down"],
            4,
            "service unhealthy (responded with \"NOT_SERVING\")",
        ),
        (health, &["-service=gone"], 3, "error: health rpc failed"),
        (
            without,
            &[],
            3,
            "error: this server does not implement the grpc health protocol",
        ),
        (
            refusing().await,
            &[],
            2,
            "error: failed to connect service at",
        ),
        (full, &[connect], 2, "timeout: failed to connect service"),
        (
            silent().await,
            &[connect],
            2,
            "timeout: failed to connect service",
        ),
        (web().await, &[], 2, "error: failed to connect service at"),
        (health, &["-gzip"], 1, "-gzip is not supported"),
    ] {
        let address = format!("-addr={address}");
        let ran = run_as(
            "grpc_health_probe",
            &[&[address.as_str()], args].concat(),
            &[],
        )
        .await;
        assert_eq!(ran.code, code, "{args:?}: {ran:?}");
        assert!(
            ran.err.contains(line) && ran.out.is_empty(),
            "{line}: {ran:?}"
        );
    }
}

#[tokio::test]
async fn the_call_has_its_own_time_once_connected() {
    // The service sends SETTINGS, and never an answer.
    let greeting = serve(|mut stream| async move {
        let _ = stream.write_all(b"\0\0\0\x04\0\0\0\0\0").await;
        let mut read = [0; 4096];
        while stream.read(&mut read).await.is_ok_and(|read| read > 0) {}
    });
    let address = format!("-addr={}", greeting.await);
    let args = [&address, "-connect-timeout=1h", "-rpc-timeout=300ms"];
    let ran = run_as("grpc_health_probe", &args, &[]).await;
    assert_eq!(ran.code, 3, "{ran:?}");
    assert!(
        ran.err
            .contains("timeout: health rpc did not complete within 300ms"),
        "{ran:?}"
    );
    assert!(ran.took >= Duration::from_millis(300), "{ran:?}");
}
