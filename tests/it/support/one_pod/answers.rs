//! What an API server says, and what it should not.

use serde_json::{Value, json};

/// How to misbehave.
#[derive(Clone, Debug)]
pub enum Answer {
    /// With these bytes.
    Bytes(Vec<u8>),
    /// The same, and then with the end of the connection.
    Cut(Vec<u8>),
    /// The same, a byte a second.
    Drip(Vec<u8>),
    /// Not at all.
    Silence,
}

/// A whole answer.
pub fn answer(status: &str, head: &str, body: &str) -> Answer {
    let length = body.len();
    Answer::Bytes(
        format!("HTTP/1.1 {status}\r\nContent-Length: {length}\r\n{head}\r\n{body}").into(),
    )
}

/// A refusal as the API server words it.
pub fn refusal(code: u16, details: &Value) -> Answer {
    let body = json!({"kind": "Status", "apiVersion": "v1", "status": "Failure", "code": code, "reason": "Scripted", "message": "by script", "details": details});
    answer(
        &format!("{code} Scripted"),
        "Content-Type: application/json\r\n",
        &body.to_string(),
    )
}

/// The beginning of a watch, with these lines.
pub fn watching(lines: &str) -> Vec<u8> {
    let chunk = if lines.is_empty() {
        String::new()
    } else {
        chunk(lines)
    };
    format!("HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nTransfer-Encoding: chunked\r\n\r\n{chunk}").into()
}

/// The end of a watch.
pub const WATCHED: &[u8] = b"0\r\n\r\n";

pub(super) fn chunk(lines: &str) -> String {
    format!("{:x}\r\n{lines}\r\n", lines.len())
}
