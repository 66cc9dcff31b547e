//! The requests of the sidecar, byte for byte.

use std::time::Duration;

use testkit::frames::{self as h2, DATA, END_HEADERS, END_STREAM, HEADERS};
use testkit::scripts::{read_request, until_closed};
use testkit::service::{Script, Service};
use testkit::{NAME, within};
use tokio::io::AsyncWriteExt as _;
use tokio::sync::mpsc;

use crate::sidecar::Sidecar;

/// Records the first request of a sidecar; its task ends with the peer's.
async fn sent(protocol: &str) -> Vec<u8> {
    let (first, mut requests) = mpsc::unbounded_channel();
    let is_mucp = protocol == "mucp";
    let service = Service::start(Script::new(move |mut stream| {
        let first = first.clone();
        async move {
            let request = if is_mucp {
                read_request(&mut stream).await
            } else {
                h2::read_call(&mut stream).await
            };
            let _ = first.send(request.unwrap());
            until_closed(&mut stream).await;
        }
    }))
    .await;
    let flag = format!("--protocol={protocol}");
    let sidecar = Sidecar::start(service.address, &[&flag, "--check_timeout=5s"]).await;
    let mut connection = sidecar.connect().await;
    connection.send("GET /health HTTP/1.1\r\n\r\n").await;
    within("a request", requests.recv()).await.unwrap()
}

#[tokio::test]
async fn mucp_is_checked_by_one_request_with_both_header_families() {
    let request = String::from_utf8(sent("mucp").await).unwrap();
    let line = |name: &str| {
        let found = request
            .lines()
            .find_map(|line| line.strip_prefix(&format!("{name}: ")));
        found
            .unwrap_or_else(|| panic!("no {name} in {request}"))
            .to_owned()
    };
    let (host, id, timeout) = (line("Host"), line("Micro-Id"), line("Timeout"));
    let body = format!(r#"{{"method":"Debug.Health","params":[{{}}],"id":"{id}"}}"#);
    assert_eq!(
        request,
        format!(
            "POST / HTTP/1.1\r\nHost: {host}\r\nUser-Agent: {agent}\r\nContent-Length: {length}\r\n\
             Content-Type: application/json-rpc\r\nAccept: application/json-rpc\r\nTimeout: {timeout}\r\n\
             Micro-Method: Debug.Health\r\nMicro-Endpoint: Debug.Health\r\nMicro-Id: {id}\r\nMicro-Service: {NAME}\r\n\
             X-Micro-Method: Debug.Health\r\nX-Micro-Endpoint: Debug.Health\r\nX-Micro-Id: {id}\r\nX-Micro-Service: {NAME}\r\n\
             \r\n{body}",
            agent = micro_health::USER_AGENT,
            length = body.len(),
        )
    );
    let left = Duration::from_nanos(timeout.parse().unwrap());
    assert!((4..=5).contains(&left.as_secs()), "{left:?}");
}

#[tokio::test]
async fn grpc_is_checked_by_separate_headers_and_message() {
    for (protocol, path, message) in [
        ("grpc", format!("/{NAME}.Debug/Health"), h2::message(b"")),
        (
            "grpc-health",
            "/grpc.health.v1.Health/Check".to_owned(),
            h2::message(format!("\x0a\x07{NAME}").as_bytes()),
        ),
    ] {
        let sent = sent(protocol).await;

        let of_calls = |frame: &h2::Frame| frame.stream == h2::FIRST;
        let frames: Vec<_> = h2::frames(&sent).into_iter().filter(of_calls).collect();
        let [headers, data] = &frames[..] else {
            panic!("{frames:?}")
        };
        assert_eq!((headers.kind, headers.flags), (HEADERS, END_HEADERS));
        assert_eq!(
            (data.kind, data.flags, &data.payload),
            (DATA, END_STREAM, &message)
        );

        let parts = decoded(&sent).await;
        assert_eq!(parts.method, "POST");
        assert_eq!(parts.uri.path(), path);
        let header = |name: &str| parts.headers[name].to_str().unwrap();
        assert_eq!(header("te"), "trailers");
        assert_eq!(header("content-type"), "application/grpc+proto");
        assert_eq!(header("x-content-type"), "application/grpc+proto");
        assert_eq!(header("user-agent"), micro_health::USER_AGENT);
        assert!(header("grpc-timeout").ends_with('u'));
        assert!(header("timeout").parse::<u64>().unwrap() <= 5_000_000_000);
    }
}

/// Decodes the bytes by a real HTTP/2 server.
async fn decoded(sent: &[u8]) -> http::request::Parts {
    let (mut client, server) = tokio::io::duplex(sent.len());
    client.write_all(sent).await.unwrap();
    let handshake = within("a handshake", ::h2::server::handshake(server)).await;
    let mut server = handshake.unwrap();
    let request = within("a request", server.accept()).await.unwrap();
    request.unwrap().0.into_parts().0
}
