//! HTTP/2 frames (RFC 9113), written and read by hand for peers that no library implements.

mod read;

pub use self::read::{Frame, flood, frames, read_call, read_call_on};

/// The connection preface that a client sends.
pub const PREFACE: &[u8] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";

/// The type of a DATA frame.
pub const DATA: u8 = 0;
/// The type of a HEADERS frame.
pub const HEADERS: u8 = 1;
/// The type of a `RST_STREAM` frame.
pub const RST_STREAM: u8 = 3;
/// The type of a SETTINGS frame.
pub const SETTINGS: u8 = 4;
/// The type of a `PUSH_PROMISE` frame.
pub const PUSH_PROMISE: u8 = 5;
/// The type of a PING frame.
pub const PING: u8 = 6;
/// The type of a GOAWAY frame.
pub const GOAWAY: u8 = 7;
/// The type of a `WINDOW_UPDATE` frame.
pub const WINDOW_UPDATE: u8 = 8;
/// The type of a CONTINUATION frame.
pub const CONTINUATION: u8 = 9;

/// The flag of the last frame of a request or a response.
pub const END_STREAM: u8 = 1;
/// The flag of the last frame of a header block.
pub const END_HEADERS: u8 = 4;

/// The stream of the first call on a connection.
pub const FIRST: u32 = 1;

/// The header block of a successful gRPC answer.
pub const GRPC: [(&str, &str); 2] = [(":status", "200"), ("content-type", "application/grpc")];

/// The header block of a probe.
pub const GET_HEALTH: [(&str, &str); 4] = [
    (":method", "GET"),
    (":scheme", "http"),
    (":authority", "sidecar"),
    (":path", "/health"),
];

/// Returns a frame.
pub fn frame(kind: u8, flags: u8, stream: u32, payload: &[u8]) -> Vec<u8> {
    let length = length(payload).to_be_bytes();
    [&length[1..], &[kind, flags], &stream.to_be_bytes(), payload].concat()
}

/// Returns a SETTINGS frame, which every server sends first.
pub fn settings(settings: &[(u16, u32)]) -> Vec<u8> {
    let payload: Vec<u8> = settings
        .iter()
        .flat_map(|(id, value)| [&id.to_be_bytes()[..], &value.to_be_bytes()].concat())
        .collect();
    frame(SETTINGS, 0, 0, &payload)
}

/// Returns a header block of literals that enter no table.
pub fn block(headers: &[(&str, &str)]) -> Vec<u8> {
    let text = |text: &str| {
        let length = u8::try_from(text.len()).unwrap_or(u8::MAX);
        assert!(length < 127, "longer needs another encoding");
        [&[length], text.as_bytes()].concat()
    };
    headers
        .iter()
        .flat_map(|(name, value)| [vec![0], text(name), text(value)].concat())
        .collect()
}

/// Returns a HEADERS frame that holds the whole header block.
pub fn headers(flags: u8, stream: u32, headers: &[(&str, &str)]) -> Vec<u8> {
    frame(HEADERS, flags | END_HEADERS, stream, &block(headers))
}

/// Returns a DATA frame.
pub fn data(flags: u8, stream: u32, payload: &[u8]) -> Vec<u8> {
    frame(DATA, flags, stream, payload)
}

/// Returns a gRPC message with its prefix.
pub fn message(message: &[u8]) -> Vec<u8> {
    let length = length(message).to_be_bytes();
    [&[0], &length[..], message].concat()
}

/// Returns a whole gRPC answer with status 0.
pub fn answer(stream: u32, message: &[u8]) -> Vec<u8> {
    [
        headers(0, stream, &GRPC),
        data(0, stream, message),
        headers(END_STREAM, stream, &[("grpc-status", "0")]),
    ]
    .concat()
}

/// Returns a `RST_STREAM` frame.
pub fn reset(stream: u32, code: u32) -> Vec<u8> {
    frame(RST_STREAM, 0, stream, &code.to_be_bytes())
}

/// Returns a GOAWAY frame.
pub fn go_away(last_stream: u32, code: u32) -> Vec<u8> {
    let payload = [last_stream.to_be_bytes(), code.to_be_bytes()].concat();
    frame(GOAWAY, 0, 0, &payload)
}

fn length(bytes: &[u8]) -> u32 {
    u32::try_from(bytes.len()).expect("a test must not send more than 4 GiB at once")
}
