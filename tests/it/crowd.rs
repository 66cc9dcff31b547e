//! A crowd of clients at once: the kubelet still gets its answer, and the sidecar releases all
//! that the clients held.

use futures_util::{StreamExt as _, future, stream};
use testkit::client::{Connection, get};
use testkit::frames::{self as h2, CONTINUATION, END_STREAM, HEADERS, PING, PREFACE};
use testkit::{descriptors, scripts};
use tokio::io::AsyncWriteExt as _;
use tokio::net::TcpStream;
use tokio::runtime::Builder;
use tokio::sync::oneshot;
use tokio::time::{self, Duration};

use crate::hostile_client::{TOLERANCE_KIB, beside_a_well_service};

#[tokio::test]
async fn open_connections_never_cost_the_kubelet_its_answer() {
    const EACH: usize = 500;
    descriptors::raise_limit(3 * EACH + 200).await;
    let (_service, sidecar) = beside_a_well_service().await;
    let descriptors = sidecar.descriptors();
    let mut held = Vec::new();
    for start in [
        get("/livez"),
        "GET /health HTTP/1.1\r\nHost:".to_owned(),
        String::new(),
    ] {
        let flood = stream::iter(0..EACH).map(async |_| {
            let mut connection = Connection::open(sidecar.address).await;
            // The oldest connections are closed when later ones come.
            let _ = connection.try_send(&start).await;
            connection
        });
        let mut flood = Box::pin(flood.buffer_unordered(16));
        while let Some(connection) = flood.next().await {
            held.push(connection);
            if held.len() % 100 == 0 {
                assert_eq!(
                    sidecar.probe("/health").await.status_and_body(),
                    (200, "OK")
                );
            }
        }
    }
    for _ in 0..20 {
        assert_eq!(
            sidecar.probe("/health").await.status_and_body(),
            (200, "OK")
        );
    }
    assert!(sidecar.descriptors() < 300, "{}", sidecar.descriptors());

    drop(held);

    sidecar.closes_descriptors(descriptors).await;
}

#[tokio::test]
async fn a_client_that_never_reads_does_not_delay_the_kubelet() {
    let (_service, sidecar) = beside_a_well_service().await;
    let (descriptors, memory) = (sidecar.descriptors(), sidecar.memory());
    let mut held = Vec::new();
    for _ in 0..8 {
        let mut stream = TcpStream::connect(sidecar.address).await.unwrap();
        let requests = get("/health").repeat(100);
        // Writes until both buffers are full.
        while time::timeout(
            Duration::from_millis(50),
            stream.write_all(requests.as_bytes()),
        )
        .await
        .is_ok_and(|written| written.is_ok())
        {}
        held.push(stream);
        assert_eq!(
            sidecar.probe("/health").await.status_and_body(),
            (200, "OK")
        );
    }
    let grown = sidecar.memory().saturating_sub(memory);
    assert!(grown < TOLERANCE_KIB, "{grown} KiB more than {memory}");

    drop(held);

    sidecar.closes_descriptors(descriptors).await;
}

#[tokio::test]
async fn a_flood_of_frames_never_costs_the_kubelet_its_answer() {
    let (_service, sidecar) = beside_a_well_service().await;
    let address = sidecar.address;
    let (descriptors, memory) = (sidecar.descriptors(), sidecar.memory());
    let head = h2::frame(HEADERS, 0, 1, &h2::block(&h2::GET_HEALTH));
    for (name, once, again) in [
        ("PING", Vec::new(), h2::frame(PING, 0, 0, &[7; 8])),
        ("SETTINGS", Vec::new(), h2::settings(&[(4, 70_000)])),
        ("unknown", Vec::new(), h2::frame(0xfe, 0, 0, &[0; 64])),
        ("CONTINUATION", head, h2::frame(CONTINUATION, 0, 1, &[])),
        ("resets", rapid_resets(), h2::frame(PING, 0, 0, &[7; 8])),
    ] {
        let start = [PREFACE, &h2::settings(&[]), &once].concat();
        let _attack = attack(4, async move |_| {
            let mut stream = TcpStream::connect(address).await.unwrap();
            if stream.write_all(&start).await.is_ok() {
                h2::flood(&mut stream, &again).await;
            }
        });
        for _ in 0..10 {
            assert_eq!(
                sidecar.probe("/health").await.status_and_body(),
                (200, "OK"),
                "{name}"
            );
        }
    }
    let grown = sidecar.memory().saturating_sub(memory);
    assert!(grown < TOLERANCE_KIB, "{grown} KiB more than {memory}");
    sidecar.closes_descriptors(descriptors).await;
}

/// Returns streams that are opened and reset at once.
fn rapid_resets() -> Vec<u8> {
    let open = |stream| h2::headers(END_STREAM, stream, &h2::GET_HEALTH);
    let streams = (0..20_000).map(|n| 2 * n + 1);
    streams
        .flat_map(|stream| [open(stream), h2::reset(stream, 8)].concat())
        .collect()
}

#[tokio::test]
async fn a_flood_of_requests_never_costs_the_kubelet_its_answer() {
    let (_service, sidecar) = beside_a_well_service().await;
    let address = sidecar.address;
    let _attack = attack(8, async move |client| {
        let requests = get(["/health", "/livez"][client % 2]).repeat(50);
        let mut connection = Connection::open(address).await;
        loop {
            connection.send(&requests).await;
            for _ in 0..50 {
                assert_eq!(connection.answer().await.status, 200);
            }
        }
    });
    for _ in 0..20 {
        assert_eq!(
            sidecar.probe("/health").await.status_and_body(),
            (200, "OK")
        );
    }
}

#[tokio::test]
async fn clients_that_reconnect_do_not_delay_the_kubelet() {
    // There are enough clients that each connection displaces another.
    const CLIENTS: usize = 400;
    descriptors::raise_limit(CLIENTS + 200).await;
    let (_service, sidecar) = beside_a_well_service().await;
    let address = sidecar.address;
    let _attack = attack(CLIENTS, async move |client| {
        let start = ["", "GET /health HTTP/1.1\r\n"][client % 2];
        loop {
            let mut stream = TcpStream::connect(address).await.unwrap();
            let _ = stream.write_all(start.as_bytes()).await;
            scripts::until_closed(&mut stream).await;
        }
    });
    for _ in 0..20 {
        assert_eq!(
            sidecar.probe("/health").await.status_and_body(),
            (200, "OK")
        );
    }
}

/// Runs this number of clients on a thread of their own until it is dropped, so that they burden
/// the sidecar and not the service and the kubelet on this thread.
fn attack(clients: usize, client: impl AsyncFn(usize) + Send + 'static) -> oneshot::Sender<()> {
    let (running, stopped) = oneshot::channel();
    let attackers = Builder::new_current_thread().enable_all().build().unwrap();
    tokio::task::spawn_blocking(move || {
        attackers.block_on(async {
            tokio::select! {
                biased;
                _ = stopped => {}
                _ = future::join_all((0..clients).map(|n| client(n))) => {}
            }
        });
    });
    running
}
