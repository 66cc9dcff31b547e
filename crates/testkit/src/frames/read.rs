//! A reader of frames.

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

use super::{END_STREAM, FIRST, HEADERS, PREFACE};

/// A received frame.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Frame {
    /// The type.
    pub kind: u8,
    /// The flags.
    pub flags: u8,
    /// The stream's id.
    pub stream: u32,
    /// The payload.
    pub payload: Vec<u8>,
}

/// Reads the preface and the frames to the end of the first call. Returns all bytes, or `None` if
/// the peer closes the connection before.
pub async fn read_call(stream: &mut TcpStream) -> Option<Vec<u8>> {
    read_call_on(stream, Vec::new(), FIRST).await
}

/// Reads to the end of the call on a later stream, after the bytes that were received before.
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

/// Returns the whole frames after the preface.
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

/// Writes these bytes again and again for as long as the peer accepts them.
pub async fn flood(stream: &mut TcpStream, bytes: &[u8]) {
    // Many at a time, so that the writer is not the bottleneck.
    let many = bytes.repeat((64 << 10) / bytes.len() + 1);
    while stream.write_all(&many).await.is_ok() {}
}
