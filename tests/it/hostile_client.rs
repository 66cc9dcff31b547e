//! Clients that send incomplete or invalid requests: the sidecar refuses them or hangs up, and
//! releases all that they held.

use std::net::SocketAddr;

use futures_util::future;
use testkit::client::{Connection, End, get};
use testkit::frames::{self as h2, PREFACE};
use testkit::process::Process;
use testkit::service::Service;
use testkit::{scripts, within};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio::time::{self, Duration, Instant};

use crate::PROGRAM;
use crate::sidecar::Sidecar;
mod nonsense;

/// The memory that a debug build may grow by during an attack.
pub const TOLERANCE_KIB: usize = 6 << 10;

pub async fn beside_a_well_service() -> (Service, Process) {
    let service = Service::start(scripts::grpc()).await;
    let sidecar = Process::start(PROGRAM, service.address, &["--protocol=grpc"]).await;
    // The first probe connects to the service and allocates the memory that stays.
    assert_eq!(
        sidecar.probe("/health").await.status_and_body(),
        (200, "OK")
    );
    (service, sidecar)
}

#[tokio::test]
async fn a_client_that_sends_nothing_is_disconnected_after_two_seconds() {
    let service = Service::start(scripts::grpc()).await;
    let sidecar = Sidecar::start(service.address, &[]).await;
    let settings = h2::settings(&[]);
    let one_request = get("/livez");
    let cases = [
        ("nothing", Vec::new()),
        ("one byte", b"G".to_vec()),
        ("half a line", b"GET /heal".to_vec()),
        (
            "half a head",
            b"GET /health HTTP/1.1\r\nHost: a\r\nX-".to_vec(),
        ),
        ("half a preface", PREFACE[..12].to_vec()),
        ("a preface", PREFACE.to_vec()),
        ("a preface and SETTINGS", [PREFACE, &settings].concat()),
        ("half a frame", [PREFACE, &settings, &[0, 0, 9]].concat()),
        ("one request, then idle", one_request.clone().into_bytes()),
        (
            "one request, then half a head",
            [one_request.as_bytes(), b"GET /"].concat(),
        ),
    ];
    let address = sidecar.address;
    let waits = cases.map(|(name, bytes)| async move {
        let mut connection = Connection::open(address).await;
        let started = Instant::now();
        connection.send(bytes).await;
        let (_, end) = connection.end().await;
        let took = started.elapsed();
        assert!(
            (1_900..2_900).contains(&took.as_millis()),
            "{name}: {took:?}"
        );
        assert_eq!(end, End::Fin, "{name}");
    });
    future::join_all(waits).await;
}

#[tokio::test]
async fn a_client_that_sends_its_head_bytewise_is_disconnected_after_two_seconds() {
    let service = Service::start(scripts::grpc()).await;
    let sidecar = Sidecar::start(service.address, &[]).await;
    let one_request = get("/livez");
    tokio::join!(
        drip_after("", sidecar.address),
        drip_after(&one_request, sidecar.address)
    );
}

async fn drip_after(start: &str, address: SocketAddr) {
    let mut stream = TcpStream::connect(address).await.unwrap();
    stream.write_all(start.as_bytes()).await.unwrap();
    let started = Instant::now();
    let (mut reading, mut writing) = stream.split();
    let mut pause = time::interval(Duration::from_millis(50));
    let drip = async {
        for byte in get("/health").bytes().cycle().filter(|byte| *byte != b'\n') {
            pause.tick().await;
            if writing.write_u8(byte).await.is_err() {
                break;
            }
        }
    };
    let mut answers = Vec::new();
    tokio::select! {
        _ = within("the end", reading.read_to_end(&mut answers)) => {}
        () = drip => {}
    }
    let took = started.elapsed();
    assert!((1_900..2_900).contains(&took.as_millis()), "{took:?}");
}

#[tokio::test]
async fn pipelined_requests_are_answered_in_order() {
    let service = Service::start(scripts::grpc()).await;
    let sidecar = Sidecar::start(service.address, &[]).await;
    let paths = ["/livez", "/health", "/nothing", "/healthz?verbose"];
    let mut connection = sidecar.connect().await;

    connection.send(paths.map(get).concat().repeat(25)).await;

    for round in 0..25 {
        for (path, status) in paths.iter().zip([200, 200, 404, 200]) {
            let answer = connection.answer().await;
            assert_eq!(answer.status, status, "{round} {path}");
            assert_eq!(answer.body.contains("not asked"), *path == "/livez");
            assert_eq!(answer.body.contains("check passed"), path.contains('?'));
        }
    }
}

#[tokio::test]
async fn a_client_that_half_closes_after_the_request_is_answered() {
    let service = Service::start(scripts::grpc()).await;
    let sidecar = Sidecar::start(service.address, &[]).await;
    for requests in [1, 3] {
        let mut connection = sidecar.connect().await;
        connection.send(get("/health").repeat(requests)).await;
        connection.half_close().await;
        for _ in 0..requests {
            assert_eq!(connection.answer().await.status_and_body(), (200, "OK"));
        }
        assert_eq!(connection.end().await, (Vec::new(), End::Fin));
    }
}
