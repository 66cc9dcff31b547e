//! HTTP/2 frames by hand, for peers that no library would play.

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

pub const PREFACE: &[u8] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";

pub const DATA: u8 = 0;
pub const HEADERS: u8 = 1;
pub const RST_STREAM: u8 = 3;
pub const SETTINGS: u8 = 4;
pub const PUSH_PROMISE: u8 = 5;
pub const PING: u8 = 6;
pub const GOAWAY: u8 = 7;
pub const WINDOW_UPDATE: u8 = 8;
pub const CONTINUATION: u8 = 9;

pub const END_STREAM: u8 = 1;
pub const END_HEADERS: u8 = 4;

/// The stream of the first call on a connection.
pub const FIRST: u32 = 1;

/// The head of a good gRPC answer.
pub const GRPC: [(&str, &str); 2] = [(":status", "200"), ("content-type", "application/grpc")];

/// The head of a probe.
pub const GET_HEALTH: [(&str, &str); 4] = [
    (":method", "GET"),
    (":scheme", "http"),
    (":authority", "sidecar"),
    (":path", "/health"),
];

/// A frame as it was received.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Frame {
    pub kind: u8,
    pub flags: u8,
    pub stream: u32,
    pub payload: Vec<u8>,
}

pub fn frame(kind: u8, flags: u8, stream: u32, payload: &[u8]) -> Vec<u8> {
    let length = u32::try_from(payload.len()).unwrap().to_be_bytes();
    [&length[1..], &[kind, flags], &stream.to_be_bytes(), payload].concat()
}

/// A SETTINGS frame, the first of every server.
pub fn settings(settings: &[(u16, u32)]) -> Vec<u8> {
    let payload: Vec<u8> = settings
        .iter()
        .flat_map(|(id, value)| [&id.to_be_bytes()[..], &value.to_be_bytes()].concat())
        .collect();
    frame(SETTINGS, 0, 0, &payload)
}

/// A header block of literals that enter no table.
pub fn block(headers: &[(&str, &str)]) -> Vec<u8> {
    let text = |text: &str| {
        let length = u8::try_from(text.len()).unwrap();
        assert!(length < 127, "longer needs another encoding");
        [&[length], text.as_bytes()].concat()
    };
    headers
        .iter()
        .flat_map(|(name, value)| [vec![0], text(name), text(value)].concat())
        .collect()
}

pub fn headers(flags: u8, stream: u32, headers: &[(&str, &str)]) -> Vec<u8> {
    frame(HEADERS, flags | END_HEADERS, stream, &block(headers))
}

pub fn data(flags: u8, stream: u32, payload: &[u8]) -> Vec<u8> {
    frame(DATA, flags, stream, payload)
}

/// A gRPC message with its prefix.
pub fn message(message: &[u8]) -> Vec<u8> {
    let length = u32::try_from(message.len()).unwrap().to_be_bytes();
    [&[0], &length[..], message].concat()
}

/// A whole gRPC answer with status 0.
pub fn answer(stream: u32, message: &[u8]) -> Vec<u8> {
    [
        headers(0, stream, &GRPC),
        data(0, stream, message),
        headers(END_STREAM, stream, &[("grpc-status", "0")]),
    ]
    .concat()
}

pub fn reset(stream: u32, code: u32) -> Vec<u8> {
    frame(RST_STREAM, 0, stream, &code.to_be_bytes())
}

pub fn go_away(last_stream: u32, code: u32) -> Vec<u8> {
    let payload = [last_stream.to_be_bytes(), code.to_be_bytes()].concat();
    frame(GOAWAY, 0, 0, &payload)
}

/// Reads a preface and frames up to the end of the first call; returns all its
/// bytes, or `None` if the peer left before.
pub async fn read_call(stream: &mut TcpStream) -> Option<Vec<u8>> {
    read_call_on(stream, Vec::new(), FIRST).await
}

/// The same for the call on a later stream, after what was received before.
pub async fn read_call_on(
    stream: &mut TcpStream,
    mut received: Vec<u8>,
    id: u32,
) -> Option<Vec<u8>> {
    loop {
        let frames = frames(&received);
        let ends = |frame: &&Frame| {
            frame.kind <= HEADERS && frame.flags & END_STREAM != 0 && frame.stream == id
        };
        if frames.iter().any(|frame| ends(&frame)) {
            return Some(received);
        }
        if stream.read_buf(&mut received).await.ok()? == 0 {
            return None;
        }
    }
}

/// The whole frames after the preface.
pub fn frames(received: &[u8]) -> Vec<Frame> {
    let mut rest = received.strip_prefix(PREFACE).unwrap_or_default();
    let mut frames = Vec::new();
    while let Some((head, tail)) = rest.split_first_chunk::<9>() {
        let [a, b, c, kind, flags, stream @ ..] = *head;
        let length = u32::from_be_bytes([0, a, b, c]) as usize;
        if tail.len() < length {
            break;
        }
        let (payload, tail) = tail.split_at(length);
        frames.push(Frame {
            kind,
            flags,
            stream: u32::from_be_bytes(stream),
            payload: payload.to_vec(),
        });
        rest = tail;
    }
    frames
}

/// Writes as long as the peer takes it.
pub async fn flood(stream: &mut TcpStream, bytes: &[u8]) {
    // Many at a time, so that the writer is not what is slow.
    let many = bytes.repeat((64 << 10) / bytes.len() + 1);
    while stream.write_all(&many).await.is_ok() {}
}
