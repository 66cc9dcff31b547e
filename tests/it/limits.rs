//! The limits of one client: requests, messages, streams, descriptors. `just hostile` measures
//! each of these clients a thousand times, on the shipped file.

use std::net::SocketAddr;
use std::time::Duration;

use futures_util::{StreamExt as _, future};
use testkit::frames::{self as h2, END_STREAM, FIRST, Frame, GET_HEALTH, PREFACE, SETTINGS};
use testkit::process::{self, Process};
use testkit::service::Service;
use testkit::{NAME, descriptors, scripts, within};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio::time::Instant;
use tonic::Code;
use tonic::transport::{Channel, Endpoint};
use tonic_health::pb::HealthCheckRequest;
use tonic_health::pb::health_check_response::ServingStatus::Serving;
use tonic_health::pb::health_client::HealthClient;

use crate::PROGRAM;
use crate::hostile_client::beside_a_well_service;
use crate::sidecar::Sidecar;

/// The head of a call, without its end.
const CHECK: [(&str, &str); 6] = [
    (":method", "POST"),
    (":scheme", "http"),
    (":authority", "sidecar"),
    (":path", "/grpc.health.v1.Health/Check"),
    ("content-type", "application/grpc"),
    ("te", "trailers"),
];

/// Opens an HTTP/2 connection and sends these frames after the preface.
async fn http2(sidecar: SocketAddr, frames: &[u8]) -> TcpStream {
    let mut stream = within("connecting", TcpStream::connect(sidecar)).await;
    let stream_ = stream.as_mut().unwrap();
    let start = [PREFACE, &h2::settings(&[]), frames].concat();
    within("sending", stream_.write_all(&start)).await.unwrap();
    stream.unwrap()
}

/// Reads until the sidecar has sent a frame of this kind.
async fn read_until(stream: &mut TcpStream, is_it: impl Fn(&Frame) -> bool) -> Frame {
    let mut received = PREFACE.to_vec();
    let read = async {
        loop {
            if let Some(frame) = h2::frames(&received).into_iter().find(&is_it) {
                return frame;
            }
            let read = stream.read_buf(&mut received).await.unwrap();
            assert!(read > 0, "closed after {received:?}");
        }
    };
    within("a frame", read).await
}

async fn client(sidecar: SocketAddr) -> HealthClient<Channel> {
    let endpoint = Endpoint::from_shared(format!("http://{sidecar}")).unwrap();
    HealthClient::new(within("connecting", endpoint.connect()).await.unwrap())
}

fn of(service: impl Into<String>) -> HealthCheckRequest {
    HealthCheckRequest {
        service: service.into(),
    }
}

#[tokio::test]
async fn the_settings_announce_the_limits_of_a_connection() {
    let service = Service::start(scripts::grpc()).await;
    for targets in [1, 3] {
        let more: Vec<_> = (1..targets)
            .map(|n| format!("--target=other-{n}={}", service.address))
            .collect();
        let flags: Vec<_> = more.iter().map(String::as_str).collect();
        let sidecar = Sidecar::start(service.address, &flags).await;
        let mut stream = http2(sidecar.address, &[]).await;
        let settings = read_until(&mut stream, |frame| frame.kind == SETTINGS).await;
        let value = |id: u16| {
            let mut pairs = settings.payload.chunks(6);
            let found = pairs.find(|pair| pair[..2] == id.to_be_bytes());
            found.map(|pair| u32::from_be_bytes(pair[2..].try_into().unwrap()))
        };
        // There is one Watch for each target, one for the whole, and six Checks. RFC 9113, 6.5.2.
        assert_eq!(value(3), Some(7 + targets), "MAX_CONCURRENT_STREAMS");
        assert_eq!(value(4), Some(4 << 10), "INITIAL_WINDOW_SIZE");
        assert_eq!(value(6), Some(8 << 10), "MAX_HEADER_LIST_SIZE");
    }
}

#[tokio::test]
async fn a_watch_of_every_target_leaves_a_stream_for_a_check() {
    let service = Service::start(scripts::grpc()).await;
    let targets: Vec<_> = (1..16)
        .map(|n| format!("--target=other-{n}={}", service.address))
        .collect();
    let flags: Vec<_> = targets.iter().map(String::as_str).collect();
    let sidecar = Sidecar::start(service.address, &flags).await;
    let mut client = client(sidecar.address).await;
    let mut watches = Vec::new();
    let others = (1..16).map(|n| format!("other-{n}"));
    for name in [String::new(), NAME.to_owned()].into_iter().chain(others) {
        let watch = within("a Watch", client.watch(of(name))).await;
        let mut watch = watch.unwrap().into_inner();
        let first = within("its first status", watch.next()).await;
        assert_eq!(first.unwrap().unwrap().status(), Serving);
        watches.push(watch);
    }

    let check = within("a Check", client.check(of(NAME))).await;

    assert_eq!(check.unwrap().into_inner().status(), Serving);
}

#[tokio::test]
async fn a_too_long_name_is_refused_before_it_is_read() {
    let service = Service::start(scripts::grpc()).await;
    let sidecar = Sidecar::start(service.address, &[]).await;
    let mut client = client(sidecar.address).await;
    for (length, expected) in [
        (4_000, Code::NotFound),
        (5_000, Code::ResourceExhausted),
        (4 << 20, Code::ResourceExhausted),
    ] {
        let refused = within("the answer", client.check(of("x".repeat(length)))).await;
        assert_eq!(refused.unwrap_err().code(), expected, "{length}");
    }
}

#[tokio::test]
async fn calls_without_a_message_delay_neither_the_kubelet_nor_the_stop() {
    const CLIENTS: usize = 300;
    descriptors::raise_limit(CLIENTS + 200).await;
    let (_service, mut sidecar) = beside_a_well_service().await;
    let mut held = Vec::new();
    for _ in 0..CLIENTS {
        held.push(http2(sidecar.address, &h2::headers(0, FIRST, &CHECK)).await);
    }
    for _ in 0..10 {
        assert_eq!(sidecar.probe("/livez").await.status, 200);
        assert_eq!(
            sidecar.probe("/health").await.status_and_body(),
            (200, "OK")
        );
    }

    let stream = TcpStream::connect(sidecar.address).await.unwrap();
    let (requests, connection) = ::h2::client::handshake(stream).await.unwrap();
    let _driving = tokio::spawn(connection);
    let mut requests = requests.ready().await.unwrap();
    let check = http::Request::post("http://sidecar/grpc.health.v1.Health/Check")
        .header("content-type", "application/grpc")
        .body(());
    let (answer, _no_message) = requests.send_request(check.unwrap(), false).unwrap();
    let answer = within("the answer", answer).await.unwrap();
    // The status is DEADLINE_EXCEEDED.
    assert_eq!(answer.headers()["grpc-status"], "4");

    for _ in 0..CLIENTS {
        held.push(http2(sidecar.address, &h2::headers(0, FIRST, &CHECK)).await);
    }
    let stopping = Instant::now();
    sidecar.signal("TERM").await;
    assert!(sidecar.exit().await.success());
    let took = stopping.elapsed();
    assert!(took < Duration::from_secs(4), "{took:?}");
}

/// Starts the sidecar with this number of descriptors.
async fn with_descriptors(most: usize, service: SocketAddr) -> Process {
    let mut command = process::command("sh");
    command
        .args(["-c", &format!("ulimit -n {most}; exec \"$0\" \"$@\"")])
        .arg(PROGRAM)
        .args(["--health_address=127.0.0.1:0", "--log_format=json"])
        .args(["--protocol=grpc", &format!("--server_name={NAME}")])
        .arg(format!("--server_address={service}"));
    Process::spawn(command).await
}

#[tokio::test]
async fn clients_never_use_all_of_few_descriptors() {
    let service = Service::start(scripts::grpc()).await;
    // The second number is too small even for the descriptors that the sidecar reserves.
    future::join_all([64, 15].map(async |most| {
        let mut sidecar = with_descriptors(most, service.address).await;
        assert_eq!(
            sidecar.probe("/health").await.status_and_body(),
            (200, "OK"),
            "{most}"
        );
        let mut held = Vec::new();
        let request = h2::headers(END_STREAM, FIRST, &GET_HEALTH);
        for n in 0..100 {
            held.push(http2(sidecar.address, &request).await);
            if n % 10 == 0 {
                assert_eq!(sidecar.probe("/livez").await.status, 200, "{most}");
                assert_eq!(
                    sidecar.probe("/health").await.status_and_body(),
                    (200, "OK"),
                    "{most}"
                );
            }
        }
        // The log has the start, the low limit, the verdict, and that the descriptors are used
        // up.
        let lines = sidecar.log(1).await.len();
        assert!(lines <= 4, "{most}: {:?}", sidecar.log(1).await);
    }))
    .await;
}
