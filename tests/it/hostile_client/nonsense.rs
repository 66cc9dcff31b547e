//! Requests that are invalid.

use testkit::client::{End, get};
use testkit::frames::{self as h2, END_HEADERS, END_STREAM, HEADERS, PREFACE};

use super::{TOLERANCE_KIB, beside_a_well_service};

/// A name, the bytes, and the statuses that refuse them. There is no status if the bytes are not
/// HTTP/1.1.
type Nonsense = (&'static str, Vec<u8>, &'static [u16]);

#[tokio::test]
async fn an_invalid_request_is_refused_and_changes_nothing() {
    let (_service, mut sidecar) = beside_a_well_service().await;
    let (descriptors, memory) = (sidecar.descriptors(), sidecar.memory());
    for (name, bytes, refusals) in [too_large(), not_http(), not_http2()].concat() {
        let mut connection = sidecar.connect().await;
        let sent = connection.try_send(bytes).await;
        connection.try_half_close().await;
        let (answer, end) = connection.end().await;
        let answer = String::from_utf8_lossy(&answer);
        let status = answer
            .strip_prefix("HTTP/1.1 ")
            .and_then(|rest| rest.get(..3)?.parse().ok());
        // A client that is still sending at the refusal may see only the reset.
        let refused = match status {
            Some(status) => refusals.contains(&status),
            None => refusals.is_empty() || sent.is_err() || end == End::Reset,
        };
        assert!(refused, "{name}: {answer:?} {end:?}");
        assert_eq!(sidecar.probe("/health").await.status, 200, "{name}");
    }
    sidecar.closes_descriptors(descriptors).await;
    let grown = sidecar.memory().saturating_sub(memory);
    assert!(grown < TOLERANCE_KIB, "{grown} KiB more than {memory}");
    let log = sidecar.log(2).await;
    assert_eq!(log.len(), 2, "{log:#?}");
}

fn too_large() -> Vec<Nonsense> {
    const TOO_LARGE: &[u16] = &[431, 414];
    let header = |bytes| format!("GET / HTTP/1.1\r\nX-Filler: {}\r\n\r\n", "x".repeat(bytes));
    let lines = format!("GET / HTTP/1.1\r\n{}\r\n", "A: b\r\n".repeat(150));
    let uri = get(&format!("/{}", "x".repeat(9 << 10)));
    [
        ("a header of 9 KiB", header(9 << 10)),
        ("a header of 1 MiB", header(1 << 20)),
        ("a header of 16 MiB", header(16 << 20)),
        ("150 headers", lines),
        ("a URI of 9 KiB", uri),
    ]
    .map(|(name, text)| (name, text.into_bytes(), TOO_LARGE))
    .into()
}

fn not_http() -> Vec<Nonsense> {
    let post = |head: &str| format!("POST /health HTTP/1.1\r\n{head}\r\n\r\nhello").into_bytes();
    let text = |text: &str| text.as_bytes().to_vec();
    [
        ("no method", text(" /health HTTP/1.1\r\n\r\n")),
        ("signs", text("G@T /health HTTP/1.1\r\n\r\n")),
        ("no path", text("GET HTTP/1.1\r\n\r\n")),
        ("HTTP/0.9", text("GET /health\r\n\r\n")),
        ("HTTP/9.9", text("GET /health HTTP/9.9\r\n\r\n")),
        ("a null", text("GET /health HTTP/1.1\r\nA: \0\r\n\r\n")),
        ("a space", text("GET /health HTTP/1.1\r\nA b: c\r\n\r\n")),
        ("a wrong preface", text("PRI * HTTP/2.0\r\n\r\nXX\r\n\r\n")),
        ("high bytes", vec![0xff; 4096]),
        ("zeros", vec![0; 4096]),
        (
            "TLS",
            b"\x16\x03\x01\x02\0\x01\0\x01\xfc\x03\x03".repeat(20),
        ),
        (
            "two lengths",
            post("Content-Length: 5\r\nContent-Length: 6"),
        ),
        ("a negative length", post("Content-Length: -5")),
    ]
    .map(|(name, bytes)| (name, bytes, &[400][..]))
    .into()
}

fn not_http2() -> Vec<Nonsense> {
    let broken = h2::frame(HEADERS, END_HEADERS | END_STREAM, 1, &[0xff; 9]);
    [
        ("frames too large", vec![0xff; 4096]),
        ("HEADERS on stream 2", h2::headers(END_STREAM, 2, &[])),
        ("a broken header block", broken),
        ("DATA on an idle stream", h2::data(END_STREAM, 1, b"x")),
    ]
    .map(|(name, frames)| {
        let bytes = [PREFACE, &h2::settings(&[]), &frames].concat();
        (name, bytes, &[][..])
    })
    .into()
}
