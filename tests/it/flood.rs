//! A service that never stops sending: the answer comes in time, the sidecar still answers
//! everything else, and its memory does not grow.

use std::iter;
use std::sync::Arc;

use testkit::frames::{
    self as h2, DATA, END_HEADERS, FIRST, HEADERS, PING, SETTINGS, WINDOW_UPDATE,
};
use testkit::process::Process;
use testkit::scripts::{mucp, read_request, until_closed};
use testkit::service::{Script, Service};
use tokio::io::AsyncWriteExt as _;
use tokio::net::TcpStream;

use crate::PROGRAM;
use crate::hostile_target::{GRPC, MUCP, explained, record, well};

/// The memory that a debug build may grow by during one flood.
const TOLERANCE_KIB: usize = 4 << 10;

/// Returns a script that sends `once` after its SETTINGS and the call, then `again` forever.
fn flooding(once: Vec<u8>, again: Vec<u8>) -> Script {
    let bytes = Arc::new((once, again));
    Script::new(move |mut stream: TcpStream| {
        let bytes = Arc::clone(&bytes);
        async move {
            let _ = stream.write_all(&h2::settings(&[])).await;
            if h2::read_call(&mut stream).await.is_some() {
                let _ = stream.write_all(&bytes.0).await;
                h2::flood(&mut stream, &bytes.1).await;
            }
        }
    })
}

async fn survive(name: &str, protocol: &str, reasons: &[&str], script: Script) {
    let service = Service::start(well(protocol)).await;
    let flag = format!("--protocol={protocol}");
    let sidecar = Process::start(PROGRAM, service.address, &[&flag]).await;
    assert_eq!(
        sidecar.probe("/health").await.status_and_body(),
        (200, "OK"),
        "{name}"
    );
    let (descriptors, memory) = (sidecar.descriptors(), sidecar.memory());
    service.replace_script(script);

    let (alive, (answer, reason)) =
        tokio::join!(sidecar.probe("/livez"), explained(sidecar.address));

    record(name, protocol, &answer, &reason);
    assert!(reasons.contains(&reason.as_str()), "{name}: {reason}");
    assert_eq!(alive.status, 200, "{name}");
    let grown = sidecar.memory().saturating_sub(memory);
    assert!(
        grown < TOLERANCE_KIB,
        "{name}: {grown} KiB more than {memory}"
    );
    // The flood goes on, although the sidecar has closed its end.
    let kept = usize::from(protocol == GRPC);
    sidecar.closes_descriptors(descriptors - kept).await;
    service.replace_script(well(protocol));
    assert_eq!(
        sidecar.probe("/health").await.status_and_body(),
        (200, "OK"),
        "{name}"
    );
}

const DEADLINE: &[&str] = &["deadline"];
/// The reasons of floods on which h2 may give up before the deadline.
const EITHER: &[&str] = &["deadline", "protocol"];

#[tokio::test]
async fn a_flood_of_pings_is_survived() {
    let ping = h2::frame(PING, 0, 0, &[7; 8]);
    survive("PING flood", GRPC, DEADLINE, flooding(Vec::new(), ping)).await;
}

#[tokio::test]
async fn a_flood_of_settings_is_survived() {
    let settings = h2::settings(&[(4, 70_000)]);
    survive(
        "SETTINGS flood",
        GRPC,
        EITHER,
        flooding(Vec::new(), settings),
    )
    .await;
    let acks = h2::frame(SETTINGS, 1, 0, &[]);
    survive(
        "SETTINGS ack flood",
        GRPC,
        EITHER,
        flooding(Vec::new(), acks),
    )
    .await;
}

#[tokio::test]
async fn a_flood_of_interim_answers_is_survived() {
    let interim = h2::headers(0, FIRST, &[(":status", "103"), ("link", "</x>")]);
    survive("103 flood", GRPC, EITHER, flooding(Vec::new(), interim)).await;
}

#[tokio::test]
async fn a_flood_of_empty_data_is_survived() {
    let head = h2::headers(0, FIRST, &h2::GRPC);
    let empty = h2::data(0, FIRST, &[]);
    survive(
        "empty DATA flood",
        GRPC,
        EITHER,
        flooding(head.clone(), empty),
    )
    .await;
    let padding = h2::frame(DATA, 8, FIRST, &[255; 256]);
    survive("padding flood", GRPC, EITHER, flooding(head, padding)).await;
}

#[tokio::test]
async fn a_flood_of_data_is_survived() {
    let head = h2::headers(0, FIRST, &h2::GRPC);
    let data = h2::data(0, FIRST, &[0; 16 << 10]);
    survive("DATA flood", GRPC, &["protocol"], flooding(head, data)).await;
}

#[tokio::test]
async fn a_flood_of_unknown_frames_is_survived() {
    let unknown = h2::frame(0xfe, 0, FIRST, &[0; 64]);
    survive(
        "unknown frames",
        GRPC,
        EITHER,
        flooding(Vec::new(), unknown),
    )
    .await;
    let more = h2::frame(WINDOW_UPDATE, 0, 0, &1_u32.to_be_bytes());
    survive(
        "WINDOW_UPDATE flood",
        GRPC,
        EITHER,
        flooding(Vec::new(), more),
    )
    .await;
    let goodbye = h2::go_away(FIRST, 0);
    survive("GOAWAY flood", GRPC, EITHER, flooding(Vec::new(), goodbye)).await;
}

#[tokio::test]
async fn a_flood_of_unopened_streams_is_survived() {
    let reset = h2::reset(FIRST, 8);
    survive(
        "RST_STREAM flood",
        GRPC,
        &["protocol"],
        flooding(Vec::new(), reset),
    )
    .await;
    let headers = h2::frame(HEADERS, END_HEADERS, 2, &h2::block(&h2::GRPC));
    survive(
        "HEADERS on stream 2",
        GRPC,
        &["protocol"],
        flooding(Vec::new(), headers),
    )
    .await;
}

#[tokio::test]
async fn a_flood_of_single_mucp_bytes_is_survived() {
    let drip = Script::new(|mut stream: TcpStream| async move {
        if read_request(&mut stream).await.is_some() {
            let head = b"HTTP/1.1 200 OK\r\nContent-Type: application/json-rpc\r\nContent-Length: 65536\r\n\r\n";
            for byte in head.iter().copied().chain(iter::repeat_n(b' ', 60_000)) {
                if stream.write_u8(byte).await.is_err() {
                    return;
                }
            }
            until_closed(&mut stream).await;
        }
    });
    survive("a body byte by byte", MUCP, DEADLINE, drip).await;
}

#[tokio::test]
async fn a_flood_after_a_good_answer_costs_no_other_probe() {
    let service = Service::start(mucp()).await;
    let flags = ["--protocol=grpc", "--check_timeout=300ms"];
    let sidecar = Process::start(PROGRAM, service.address, &flags).await;
    let _ = sidecar.probe("/health").await;
    let memory = sidecar.memory();
    let ok = h2::answer(FIRST, &h2::message(b"\x0a\x02ok"));
    for again in [
        h2::frame(PING, 0, 0, &[7; 8]),
        h2::settings(&[(4, 70_000)]),
        h2::data(0, FIRST, &[0; 1024]),
        h2::frame(0xfe, 0, 0, &[0; 64]),
    ] {
        service.replace_script(flooding(ok.clone(), again));
        assert_eq!(
            sidecar.probe("/health").await.status_and_body(),
            (200, "OK")
        );
        // From here on the kept connection is flooded.
        for _ in 0..20 {
            assert_eq!(sidecar.probe("/livez").await.status, 200);
        }
        // A second call on it is never answered.
        assert_eq!(
            sidecar.probe("/health").await.status_and_body(),
            (500, "NOT_HEALTHY")
        );
    }
    let grown = sidecar.memory().saturating_sub(memory);
    assert!(grown < TOLERANCE_KIB, "{grown} KiB more than {memory}");
}
