//! Reads an answer on a mucp connection, byte by byte.
//!
//! The rules are those of go-micro's own client, but stricter: HTTP 200, no `Micro-Error`, the
//! Content-Type that was sent, an envelope without an error, and a status of "ok". A web server
//! that answers 200 to every request does not pass.

use serde::Deserialize;

use crate::check::unhealthy::Unhealthy;
use crate::check::verdict::Verdict;
use crate::check::{debug_grpc, micro_error};
use crate::net::stream;
use crate::text::Excerpt;

/// The result of one mucp request.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(crate) enum Answer {
    /// A mucp server answered with this verdict.
    Verdict(Verdict),
    /// The server sent HTTP/2 SETTINGS, or its TLS refuses HTTP/1.1: it speaks gRPC.
    Settings,
    /// The connection was closed before any byte, which a gRPC server may do too.
    Closed(Excerpt),
    /// The request failed: no connection, an answer cut short, or another protocol.
    Failed(Unhealthy),
}

/// The encoding that works, for success and error, on every release.
pub(crate) const JSON_RPC: &str = "application/json-rpc";

/// The largest head in bytes: go-micro echoes the request's, which is below 1 KiB.
const HEAD: usize = 16 << 10;

/// The largest body in bytes; the usual one has 49.
const BODY: usize = 64 << 10;

/// The body of Go's HTTPS server to plain HTTP: net/http server.go, in one write with its head.
const GO_WANTS_TLS: &[u8] = b"Client sent an HTTP request to an HTTPS server";

/// The progress of reading an answer.
#[derive(Debug, Eq, PartialEq)]
pub(crate) enum Progress {
    /// The answer is not decided, and more bytes may come.
    Incomplete,
    /// The answer is decided.
    Complete(Answer),
}

#[derive(Debug, Deserialize)]
struct Envelope {
    result: Option<Health>,
    error: Option<serde_json::Value>,
}

#[derive(Debug, Deserialize)]
struct Health {
    #[serde(default)]
    status: String,
}

/// Reads the bytes that have been received since the request was sent.
pub(crate) fn read(received: &[u8]) -> Progress {
    let Some(first) = received.first() else {
        return Progress::Incomplete;
    };
    match first {
        b'H' => {}
        0 => return settings(received),
        0x15 => return wants_tls(),
        _ => return not_mucp("not HTTP"),
    }
    let mut headers = [httparse::EMPTY_HEADER; 64];
    let mut head = httparse::Response::new(&mut headers);
    match head.parse(received) {
        Ok(httparse::Status::Complete(length)) => read_answer(&head, &received[length..]),
        Ok(httparse::Status::Partial) if received.len() < HEAD => Progress::Incomplete,
        Ok(httparse::Status::Partial) | Err(httparse::Error::TooManyHeaders) => {
            not_mucp("endless headers")
        }
        Err(error) => not_mucp(&format!("not HTTP: {error}")),
    }
}

/// Recognises SETTINGS, which an HTTP/2 server sends first: type 4, stream 0.
fn settings(received: &[u8]) -> Progress {
    match received.first_chunk::<9>() {
        Some([0, _, _, 4, 0, 0, 0, 0, 0]) => Progress::Complete(Answer::Settings),
        Some(_) => not_mucp("not HTTP"),
        None => Progress::Incomplete,
    }
}

fn read_answer(head: &httparse::Response<'_, '_>, body: &[u8]) -> Progress {
    let header = |name: &str| {
        let found = head
            .headers
            .iter()
            .find(|header| header.name.eq_ignore_ascii_case(name));
        found
            .map(|header| String::from_utf8_lossy(header.value))
            .unwrap_or_default()
    };
    let code = head.code.unwrap_or_default();
    if code == 400 && body.starts_with(GO_WANTS_TLS) {
        return wants_tls();
    }
    if code != 200 {
        return not_mucp(&format!("HTTP {code} {}", head.reason.unwrap_or_default()));
    }
    for name in ["Micro-Error", "X-Micro-Error"] {
        let error = header(name);
        if !error.is_empty() {
            return answered(Err(refusal(&error)));
        }
    }
    let content_type = header("Content-Type");
    if content_type != JSON_RPC {
        return not_mucp(&format!("HTTP 200 with content-type {content_type:?}"));
    }
    match header("Content-Length").parse::<usize>() {
        Err(_) => not_mucp("no Content-Length"),
        Ok(length) if length > BODY => not_mucp("a body larger than any health answer"),
        Ok(length) if body.len() < length => Progress::Incomplete,
        Ok(length) => read_envelope(&body[..length]),
    }
}

fn read_envelope(body: &[u8]) -> Progress {
    match serde_json::from_slice(body) {
        Ok(Envelope {
            error: Some(error), ..
        }) if error != "" => answered(Err(refusal(
            &error
                .as_str()
                .map_or_else(|| error.to_string(), str::to_owned),
        ))),
        Ok(Envelope {
            result: Some(health),
            ..
        }) => answered(debug_grpc::status(&health.status)),
        Ok(_) => not_mucp("an envelope without result and error"),
        Err(_) => not_mucp("a body that is not a json-rpc envelope"),
    }
}

/// Converts an error text of the service.
fn refusal(text: &str) -> Unhealthy {
    if text.starts_with("rpc: can't find ") {
        return Unhealthy::NoDebug(debug_grpc::NAME);
    }
    let description = micro_error::describe(text).into();
    match micro_error::parse(text).map(|error| error.code) {
        Some(401 | 403) => Unhealthy::Denied(description),
        _ => Unhealthy::Failing(description),
    }
}

fn answered(verdict: Verdict) -> Progress {
    Progress::Complete(Answer::Verdict(verdict))
}

fn wants_tls() -> Progress {
    Progress::Complete(Answer::Failed(Unhealthy::Tls(stream::SPEAKS_TLS.into())))
}

fn not_mucp(why: &str) -> Progress {
    Progress::Complete(Answer::Failed(Unhealthy::Protocol(why.into())))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn http(head: &str, body: &str) -> Vec<u8> {
        format!(
            "HTTP/1.1 200 OK\r\nContent-Length: {}\r\n{head}\r\n{body}",
            body.len()
        )
        .into_bytes()
    }

    fn json_rpc(body: &str) -> Progress {
        read(&http("content-type: application/json-rpc\r\n", body))
    }

    #[test]
    fn an_envelope_decides() {
        let not_serving = |text: &str| answered(Err(Unhealthy::NotServing(text.into())));
        for (body, expected) in [
            (
                r#"{"id":"1","result":{"status":"ok"},"error":null}"#,
                answered(Ok(())),
            ),
            (
                r#"{"id":"1","result":{"status":"ok"},"error":""}"#,
                answered(Ok(())),
            ),
            (
                r#"{"id":"1","result":{"status":"degraded"},"error":null}"#,
                not_serving("status \"degraded\""),
            ),
            (
                r#"{"id":"1","result":{},"error":null}"#,
                not_serving("an empty status"),
            ),
            (
                r#"{"id":"","result":{},"error":"plain failure"}"#,
                answered(Err(Unhealthy::Failing("plain failure".into()))),
            ),
            (
                r#"{"id":"","result":null,"error":"rpc: can't find service Debug.Health"}"#,
                answered(Err(Unhealthy::NoDebug("Debug.Health"))),
            ),
            (
                r#"{"id":"1","result":null,"error":null}"#,
                not_mucp("an envelope without result and error"),
            ),
            (
                r#"{"method":"Debug.Health","params":[{}],"id":"1"}"#,
                not_mucp("an envelope without result and error"),
            ),
            ("ok", not_mucp("a body that is not a json-rpc envelope")),
        ] {
            assert_eq!(json_rpc(body), expected, "{body}");
        }
    }

    #[test]
    fn the_error_header_decides_without_the_body() {
        let error = |text: &str| {
            read(
                format!("HTTP/1.1 200 OK\r\nContent-Length: 99\r\nMicro-Error: {text}\r\n\r\n")
                    .as_bytes(),
            )
        };
        assert_eq!(
            error("rpc: can't find service Debug"),
            answered(Err(Unhealthy::NoDebug("Debug.Health")))
        );
        assert_eq!(
            error("rpc: can't find method Health"),
            answered(Err(Unhealthy::NoDebug("Debug.Health")))
        );
        assert_eq!(
            error(r#"{"id":"auth","code":401,"detail":"token"}"#),
            answered(Err(Unhealthy::Denied("token (401, auth)".into())))
        );
    }

    #[test]
    fn a_web_server_is_never_healthy() {
        for (answer, why) in [
            (
                http("Content-Type: text/html\r\n", "OK"),
                "HTTP 200 with content-type \"text/html\"",
            ),
            (
                http(
                    "Content-Type: application/json-rpc; charset=utf-8\r\n",
                    "{}",
                ),
                "HTTP 200 with content-type \"application/json-rpc; charset=utf-8\"",
            ),
            (http("", "OK"), "HTTP 200 with content-type \"\""),
            (
                b"HTTP/1.1 404 Not Found\r\n\r\n".to_vec(),
                "HTTP 404 Not Found",
            ),
            (
                b"HTTP/1.1 200 OK\r\nContent-Type: application/json-rpc\r\n\r\n{}".to_vec(),
                "no Content-Length",
            ),
            (b"SSH-2.0-OpenSSH_9.2\r\n".to_vec(), "not HTTP"),
            (vec![0; 9], "not HTTP"),
            (
                b"HTTP/2 what\r\n\r\n".to_vec(),
                "not HTTP: invalid HTTP version",
            ),
            (
                format!("HTTP/1.1 200 OK\r\n{}", "a: b\r\n".repeat(100)).into_bytes(),
                "endless headers",
            ),
            (
                format!("HTTP/1.1 200 OK\r\na: {}", "b".repeat(HEAD)).into_bytes(),
                "endless headers",
            ),
        ] {
            assert_eq!(
                read(&answer),
                not_mucp(why),
                "{}",
                String::from_utf8_lossy(&answer)
            );
        }
    }

    #[test]
    fn a_tls_server_is_distinguished_from_a_web_server() {
        for answer in [
            &b"\x15\x03\x01\x00\x02\x02\x46"[..],
            b"HTTP/1.0 400 Bad Request\r\n\r\nClient sent an HTTP request to an HTTPS server.\n",
        ] {
            assert_eq!(read(answer), wants_tls());
        }
    }

    #[test]
    fn settings_are_a_grpc_server() {
        assert_eq!(
            read(b"\0\0\0\x04\0\0\0\0\0"),
            Progress::Complete(Answer::Settings)
        );
        assert_eq!(
            read(b"\0\0\x06\x04\0\0\0\0\0\0\x05\0\0\x40\0"),
            Progress::Complete(Answer::Settings)
        );
    }

    #[test]
    fn every_prefix_of_an_answer_waits_for_more() {
        let whole = http(
            "Content-Type: application/json-rpc\r\n",
            r#"{"id":"1","result":{"status":"ok"},"error":null}"#,
        );
        for length in 0..whole.len() {
            assert_eq!(read(&whole[..length]), Progress::Incomplete, "{length}");
        }
        assert_eq!(read(&whole), answered(Ok(())));
    }

    proptest! {
        #[test]
        fn never_panics(bytes in proptest::collection::vec(any::<u8>(), 0..200), start in "HTTP/1.1 200 OK\r\n|") {
            let _ = read(&[start.as_bytes(), &bytes].concat());
        }
    }
}
