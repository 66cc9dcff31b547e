//! A client whose node has died: it holds a Watch, and no packet shows that it is gone.

use std::time::Duration;

use futures_util::StreamExt as _;
use testkit::frames::{END_STREAM, FIRST, PING, PREFACE, data, frames, headers, message};
use testkit::within;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio::time::{self, Instant};
use tonic::transport::Endpoint;
use tonic_health::pb::HealthCheckRequest;
use tonic_health::pb::health_check_response::ServingStatus::Serving;
use tonic_health::pb::health_client::HealthClient;

use crate::http2::start;
use crate::pod::{Pod, Setting};

/// The earliest and the latest time to be hung up on: a PING after 5 s, and 3 s for its answer.
const HUNG_UP: [Duration; 2] = [Duration::from_secs(7), Duration::from_secs(12)];

/// The head of a Watch.
const WATCH: [(&str, &str); 5] = [
    (":method", "POST"),
    (":scheme", "http"),
    (":authority", "sidecar"),
    (":path", "/grpc.health.v1.Health/Watch"),
    ("content-type", "application/grpc"),
];

#[tokio::test]
async fn only_a_watch_whose_client_answers_no_ping_ends() {
    let pod = Pod::start(Setting::Well).await;
    let address = pod.sidecar.address;
    // tonic's client answers PINGs.
    let endpoint = Endpoint::from_shared(format!("http://{address}")).unwrap();
    let channel = within("connecting", endpoint.connect()).await;
    let mut alive = HealthClient::new(channel.unwrap());
    let all = HealthCheckRequest::default();
    let mut watch = alive.watch(all.clone()).await.unwrap().into_inner();
    assert!(within("the first status", watch.next()).await.is_some());

    let mut dead = TcpStream::connect(address).await.unwrap();
    let call = [
        start(),
        headers(0, FIRST, &WATCH),
        data(END_STREAM, FIRST, &message(b"")),
    ];
    dead.write_all(&call.concat()).await.unwrap();
    let started = Instant::now();
    let mut received = PREFACE.to_vec();
    let ended = time::timeout(HUNG_UP[1], dead.read_to_end(&mut received)).await;

    assert!(ended.is_ok(), "still open after {:?}", HUNG_UP[1]);
    assert!(started.elapsed() > HUNG_UP[0], "{:?}", started.elapsed());
    assert!(frames(&received).iter().any(|frame| frame.kind == PING));
    let next = time::timeout(Duration::ZERO, watch.next()).await;
    assert!(next.is_err(), "the other Watch: {next:?}");
    let check = within("a Check", alive.check(all)).await;
    assert_eq!(check.unwrap().into_inner().status(), Serving);
}
