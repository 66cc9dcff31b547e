//! A service that listens on a unix socket in a shared volume.

use http::Request;
use hyper::body::Incoming;
use hyper::service::service_fn;
use hyper_util::rt::{TokioExecutor, TokioIo};
use hyper_util::server::conn::auto;
use micro_health::debug;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{UnixListener, UnixStream};
use tower_service::Service as _;

use crate::operated::{self, Operated};

const WELL: &[u8] =
    b"HTTP/1.1 200 OK\r\nContent-Length: 48\r\nContent-Type: application/json-rpc\r\n\r\n\
    {\"id\":\"1\",\"result\":{\"status\":\"ok\"},\"error\":null}";

async fn mucp(mut stream: UnixStream) {
    let mut received = Vec::new();
    while !received.ends_with(b"}") && stream.read_buf(&mut received).await.is_ok_and(|n| n > 0) {}
    let _ = stream.write_all(WELL).await;
}

async fn grpc(stream: UnixStream, service: debug::DebugService) {
    let service = service_fn(move |request: Request<Incoming>| service.clone().call(request));
    let builder = auto::Builder::new(TokioExecutor::new()).http2_only();
    let _ = builder
        .serve_connection(TokioIo::new(stream), service)
        .await;
}

#[tokio::test]
async fn both_wires_are_checked_over_a_socket() {
    let folder = tempfile::tempdir().unwrap();
    let (_health, service) = debug::service();
    for wire in ["grpc", "mucp"] {
        let path = folder.path().join(wire);
        let listener = UnixListener::bind(&path).unwrap();
        let service = service.clone();
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                match wire {
                    "grpc" => drop(tokio::spawn(grpc(stream, service.clone()))),
                    _ => drop(tokio::spawn(mucp(stream))),
                }
            }
        });
        for protocol in [wire, "auto"] {
            for address in ["unix:", "unix://"] {
                let sidecar = Operated::start(&[
                    format!("--server_address={address}{}", path.display()),
                    format!("--protocol={protocol}"),
                ])
                .await;
                sidecar
                    .is_healthy(&format!("{wire} {protocol} {address}"))
                    .await;
            }
        }
    }
}

#[tokio::test]
async fn a_socket_comes_and_goes_with_its_service() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("greeter.sock");
    let address = format!("unix:{}", path.display());
    let mut sidecar = Operated::start(&[format!("--server_address={address}")]).await;
    let absent = format!("{address}: No such file or directory");
    sidecar
        .is_unhealthy("not started", "unreachable", 503, &absent)
        .await;

    let listener = UnixListener::bind(&path).unwrap();
    let serving = tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            mucp(stream).await;
        }
    });
    sidecar.is_healthy("started").await;

    serving.abort();
    let _ = serving.await;
    let left = format!("{address}: Connection refused");
    sidecar
        .is_unhealthy("killed, its file left behind", "unreachable", 503, &left)
        .await;
    let log = sidecar.has_logged(3).await;
    for (line, expected) in log.iter().zip([
        "Service is unhealthy: ",
        "Service is healthy",
        "Service is unhealthy: ",
    ]) {
        assert!(line.starts_with(expected), "{log:#?}");
    }
}

#[tokio::test]
async fn a_path_that_cannot_be_a_socket_is_refused() {
    let long = format!("unix:/{}", "x".repeat(200));
    for (address, expected) in [
        ("/run/greeter.sock", "unix:/run/greeter.sock"),
        ("unix://run/greeter.sock", "unix:///run/greeter.sock"),
        (&*long, "at most 107"),
    ] {
        let flag = format!("--server_address={address}");
        let (code, stderr) = operated::refused(&[flag], &[]).await;
        assert_eq!(code, 2, "{address}: {stderr}");
        assert!(stderr.contains(expected), "{address}: {stderr}");
    }
}
