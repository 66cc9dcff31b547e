//! Reads the answer of a gRPC server: head, message and trailers to a status.
//!
//! Source: gRPC over HTTP/2, "Responses"; go-micro's deviations are recorded in
//! tests/wire.

use bytes::Bytes;
use http::HeaderMap;
use http::response::Parts;
use tonic::Code;

use crate::text::Excerpt;

/// A status that the server sent, and its message.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(crate) struct Answer {
    /// The grpc-status.
    pub code: Code,
    /// The grpc-message, percent-decoded.
    pub text: String,
    /// The protobuf message; empty unless the code is `Ok`.
    pub message: Bytes,
}

/// Reads a complete answer.
///
/// # Errors
///
/// Returns the reason why the answer is not gRPC. The usual one is a missing grpc-status: a mucp
/// server answers so over h2c, which then gives no verdict at all.
pub(crate) fn read(
    head: &Parts,
    trailers: Option<&HeaderMap>,
    body: &[u8],
) -> Result<Answer, Excerpt> {
    // Trailers-Only answers carry the status in the head.
    let (status, from) = match trailers
        .and_then(|trailers| Some((trailers.get("grpc-status")?, trailers)))
    {
        Some(found) => found,
        None => match head.headers.get("grpc-status") {
            Some(status) => (status, &head.headers),
            None => return Err(format!("HTTP {} without grpc-status", head.status.as_u16()).into()),
        },
    };
    let code = status
        .to_str()
        .ok()
        .and_then(|status| status.parse().ok())
        .ok_or_else(|| Excerpt::from(format!("grpc-status {status:?} is not a number")))?;
    let code = Code::from_i32(code);
    let text = from.get("grpc-message").map_or_else(String::new, |text| {
        percent_encoding::percent_decode(text.as_bytes())
            .decode_utf8_lossy()
            .into_owned()
    });
    let message = if code == Code::Ok {
        unframe(head, body)?
    } else {
        Bytes::new()
    };
    Ok(Answer {
        code,
        text,
        message,
    })
}

/// Returns the one message of a unary answer.
fn unframe(head: &Parts, body: &[u8]) -> Result<Bytes, Excerpt> {
    let content_type = head
        .headers
        .get("content-type")
        .map_or(&b""[..], |value| value.as_bytes());
    if !content_type.starts_with(b"application/grpc") {
        return Err(format!("content-type {:?}", String::from_utf8_lossy(content_type)).into());
    }
    let Some((prefix, message)) = body.split_first_chunk::<5>() else {
        return Err("status OK without a message".into());
    };
    let [compressed, length @ ..] = *prefix;
    if compressed != 0 {
        return Err("a compressed message, which was not offered".into());
    }
    if usize::try_from(u32::from_be_bytes(length)) != Ok(message.len()) {
        return Err("the message's length prefix does not match".into());
    }
    Ok(Bytes::copy_from_slice(message))
}

#[cfg(test)]
mod tests {
    use super::*;
    use http::Response;

    const GRPC: &[(&str, &str)] = &[("content-type", "application/grpc+proto")];

    fn read_all(
        status: u16,
        head: &[(&str, &str)],
        trailers: &[(&str, &str)],
        body: &[u8],
    ) -> Result<Answer, String> {
        let mut response = Response::builder().status(status);
        for (name, value) in head {
            response = response.header(*name, *value);
        }
        let (head, ()) = response.body(()).unwrap().into_parts();
        let trailers: HeaderMap = trailers
            .iter()
            .map(|(name, value)| {
                (
                    name.parse::<http::HeaderName>().unwrap(),
                    value.parse().unwrap(),
                )
            })
            .collect();
        read(&head, Some(&trailers), body).map_err(|reason| reason.to_string())
    }

    #[test]
    fn reads_status_and_message() {
        let answer = read_all(
            200,
            GRPC,
            &[("grpc-status", "0"), ("grpc-message", "")],
            b"\0\0\0\0\x04\x0a\x02ok",
        )
        .unwrap();
        assert_eq!(
            answer,
            Answer {
                code: Code::Ok,
                text: String::new(),
                message: Bytes::from_static(b"\x0a\x02ok")
            }
        );
    }

    #[test]
    fn reads_a_trailers_only_error() {
        let head = [
            GRPC[0],
            ("grpc-status", "12"),
            ("grpc-message", "unknown%20service Debug"),
        ];
        let answer = read_all(200, &head, &[], b"").unwrap();
        assert_eq!(
            (answer.code, answer.text.as_str()),
            (Code::Unimplemented, "unknown service Debug")
        );
    }

    #[test]
    fn a_broken_details_header_is_not_read_at_all() {
        let trailers = [
            ("grpc-status", "14"),
            ("grpc-status-details-bin", "!not base64!"),
        ];
        assert_eq!(
            read_all(200, GRPC, &trailers, b"").unwrap().code,
            Code::Unavailable
        );
    }

    #[test]
    fn everything_else_is_no_answer() {
        const OK: &[(&str, &str)] = &[("grpc-status", "0")];
        for (status, head, trailers, body, expected) in [
            (
                200,
                GRPC,
                &[][..],
                &b"\0\0\0\0\x04\x0a\x02ok"[..],
                "HTTP 200 without grpc-status",
            ),
            (
                200,
                &[("content-length", "0")],
                &[],
                b"",
                "HTTP 200 without grpc-status",
            ),
            (
                404,
                &[("content-type", "text/html")],
                &[],
                b"<html>",
                "HTTP 404 without grpc-status",
            ),
            (
                200,
                GRPC,
                &[("grpc-status", "fine")],
                b"",
                "grpc-status \"fine\" is not a number",
            ),
            (
                200,
                &[("content-type", "text/plain")],
                OK,
                b"\0\0\0\0\0",
                "content-type \"text/plain\"",
            ),
            (200, GRPC, OK, b"", "status OK without a message"),
            (200, GRPC, OK, b"\0\0\0\0", "status OK without a message"),
            (
                200,
                GRPC,
                OK,
                b"\x01\0\0\0\0",
                "a compressed message, which was not offered",
            ),
            (
                200,
                GRPC,
                OK,
                b"\0\0\0\0\x05\x0a\x02ok",
                "the message's length prefix does not match",
            ),
            (
                200,
                GRPC,
                OK,
                b"\0\0\0\0\0\0\0\0\0\0",
                "the message's length prefix does not match",
            ),
        ] {
            assert_eq!(
                read_all(status, head, trailers, body).unwrap_err(),
                expected
            );
        }
    }
}
