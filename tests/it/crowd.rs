//! However many clients there are and however much they send, the kubelet gets its
//! answer, and what they held is given back.

use futures_util::{StreamExt as _, future, stream};
use tokio::io::AsyncWriteExt as _;
use tokio::net::TcpStream;
use tokio::runtime::Builder;
use tokio::time::{self, Duration};

use crate::hostile_client::{TOLERANCE_KIB, beside_a_well_service};
use crate::support::client::{Connection, get};
use crate::support::frames::{
    self as h2, CONTINUATION, END_HEADERS, END_STREAM, HEADERS, PING, PREFACE,
};
use crate::support::{kubelet, process, scripts};

#[tokio::test]
async fn connections_held_open_never_cost_the_kubelet_its_answer() {
    const EACH: usize = 500;
    process::may_open(3 * EACH + 200).await;
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
            // The oldest are hung up on as the next ones come.
            let _ = connection.try_send(&start).await;
            connection
        });
        let mut flood = Box::pin(flood.buffer_unordered(16));
        while let Some(connection) = flood.next().await {
            held.push(connection);
            if held.len() % 100 == 0 {
                assert_eq!(sidecar.probe("/health").await.said(), (200, "OK"));
            }
        }
    }
    for _ in 0..20 {
        assert_eq!(sidecar.probe("/health").await.said(), (200, "OK"));
    }
    assert!(sidecar.descriptors() < 300, "{}", sidecar.descriptors());

    drop(held);

    sidecar.has_descriptors(descriptors).await;
}

#[tokio::test]
async fn who_never_reads_costs_the_kubelet_nothing() {
    let (_service, sidecar) = beside_a_well_service().await;
    let (descriptors, memory) = (sidecar.descriptors(), sidecar.memory());
    let mut held = Vec::new();
    for _ in 0..8 {
        let mut stream = TcpStream::connect(sidecar.address).await.unwrap();
        let requests = get("/health").repeat(100);
        // Writes until nothing moves any more: both buffers are full.
        while time::timeout(
            Duration::from_millis(50),
            stream.write_all(requests.as_bytes()),
        )
        .await
        .is_ok_and(|written| written.is_ok())
        {}
        held.push(stream);
        assert_eq!(sidecar.probe("/health").await.said(), (200, "OK"));
    }
    let grown = sidecar.memory().saturating_sub(memory);
    assert!(grown < TOLERANCE_KIB, "{grown} KiB more than {memory}");

    drop(held);

    sidecar.has_descriptors(descriptors).await;
}

#[tokio::test]
async fn a_flood_of_frames_never_costs_the_kubelet_its_answer() {
    let (_service, sidecar) = beside_a_well_service().await;
    let (descriptors, memory) = (sidecar.descriptors(), sidecar.memory());
    let ask = h2::block(&[
        (":method", "GET"),
        (":scheme", "http"),
        (":authority", "a"),
        (":path", "/health"),
    ]);
    let rapid_resets: Vec<u8> = (0..20_000)
        .flat_map(|n| {
            let ask = h2::frame(HEADERS, END_HEADERS | END_STREAM, 2 * n + 1, &ask);
            [ask, h2::reset(2 * n + 1, 8)].concat()
        })
        .collect();
    for (name, once, again) in [
        ("PING", Vec::new(), h2::frame(PING, 0, 0, &[7; 8])),
        ("SETTINGS", Vec::new(), h2::settings(&[(4, 70_000)])),
        ("unknown", Vec::new(), h2::frame(0xfe, 0, 0, &[0; 64])),
        (
            "CONTINUATION",
            h2::frame(HEADERS, 0, 1, &ask),
            h2::frame(CONTINUATION, 0, 1, &[]),
        ),
        ("rapid resets", rapid_resets, h2::frame(PING, 0, 0, &[7; 8])),
    ] {
        let start = [PREFACE, &h2::settings(&[]), &once].concat();
        let flood = future::join_all((0..16).map(async |_| {
            let mut stream = TcpStream::connect(sidecar.address).await.unwrap();
            if stream.write_all(&start).await.is_ok() {
                h2::flood(&mut stream, &again).await;
            }
            std::future::pending::<()>().await;
        }));
        let probes = async {
            for _ in 0..10 {
                assert_eq!(sidecar.probe("/health").await.said(), (200, "OK"), "{name}");
            }
        };
        tokio::select! {
            _ = flood => {}
            () = probes => {}
        }
    }
    let grown = sidecar.memory().saturating_sub(memory);
    assert!(grown < TOLERANCE_KIB, "{grown} KiB more than {memory}");
    sidecar.has_descriptors(descriptors).await;
}

#[tokio::test]
async fn a_flood_of_requests_never_costs_the_kubelet_its_answer() {
    let (_service, sidecar) = beside_a_well_service().await;
    let load = |path: &'static str| {
        let sidecar = &sidecar;
        async move {
            let mut connection = sidecar.connect().await;
            loop {
                connection.send(get(path).repeat(50)).await;
                for _ in 0..50 {
                    assert_eq!(connection.answer().await.status, 200);
                }
            }
        }
    };
    let flood = future::join_all((0..32).map(|n| load(["/health", "/livez"][n % 2])));
    let probes = async {
        for _ in 0..20 {
            assert_eq!(sidecar.probe("/health").await.said(), (200, "OK"));
        }
    };
    tokio::select! {
        _ = flood => {}
        () = probes => {}
    }
}

#[tokio::test]
async fn who_reconnects_whenever_hung_up_on_costs_the_kubelet_nothing() {
    // Enough that each connection pushes out another.
    const CLIENTS: usize = 400;
    process::may_open(CLIENTS + 200).await;
    let (_service, sidecar) = beside_a_well_service().await;
    let address = sidecar.address;
    let flood = future::join_all((0..CLIENTS).map(async |client| {
        let start = ["", "GET /health HTTP/1.1\r\n"][client % 2];
        loop {
            let mut stream = TcpStream::connect(address).await.unwrap();
            let _ = stream.write_all(start.as_bytes()).await;
            scripts::until_closed(&mut stream).await;
        }
    }));
    // On a thread of its own the kubelet is scheduled like any other client.
    let probes = tokio::task::spawn_blocking(move || {
        let kubelet = Builder::new_current_thread().enable_all().build().unwrap();
        for _ in 0..20 {
            let answer = kubelet.block_on(kubelet::probe(address, "/health"));
            assert_eq!(answer.said(), (200, "OK"));
        }
    });
    tokio::select! {
        _ = flood => {}
        probed = probes => probed.unwrap(),
    }
}
