//! Answers of an API server, and faults.

use serde_json::{Value, json};

/// An answer, or a fault.
#[derive(Clone, Debug)]
pub enum Answer {
    /// An answer of these bytes.
    Bytes(Vec<u8>),
    /// An answer of these bytes, after which the connection is closed.
    Cut(Vec<u8>),
    /// An answer of these bytes, one each second.
    Drip(Vec<u8>),
    /// No answer is sent, and the connection stays open.
    Silence,
}

/// Returns a whole answer.
pub fn answer(status: &str, head: &str, body: &str) -> Answer {
    let length = body.len();
    Answer::Bytes(
        format!("HTTP/1.1 {status}\r\nContent-Length: {length}\r\n{head}\r\n{body}").into(),
    )
}

/// Returns a refusal in the form of the API server.
pub fn refusal(code: u16, details: &Value) -> Answer {
    let body = json!({"kind": "Status", "apiVersion": "v1", "status": "Failure", "code": code, "reason": "Scripted", "message": "by script", "details": details});
    answer(
        &format!("{code} Scripted"),
        "Content-Type: application/json\r\n",
        &body.to_string(),
    )
}

/// Returns the head of a watch, and these lines.
pub fn start_of_watch(lines: &str) -> Vec<u8> {
    let chunk = if lines.is_empty() {
        String::new()
    } else {
        chunk(lines)
    };
    format!("HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nTransfer-Encoding: chunked\r\n\r\n{chunk}").into()
}

/// The last bytes of a watch.
pub const END_OF_WATCH: &[u8] = b"0\r\n\r\n";

pub(super) fn chunk(lines: &str) -> String {
    format!("{:x}\r\n{lines}\r\n", lines.len())
}
