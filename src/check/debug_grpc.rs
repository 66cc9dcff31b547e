//! go-micro's `Debug.Health` over gRPC, every generation from v1 to v6.

use bytes::Bytes;
use http::Uri;
use http::uri::{PathAndQuery, Scheme};
use prost::Message as _;
use tonic::Code;

use crate::check::grpc::answer::Answer;
use crate::check::micro_error;
use crate::check::unhealthy::Unhealthy;
use crate::check::verdict::Verdict;
use crate::debug::pb::HealthResponse;

/// The name of the checked method in messages.
pub(crate) const NAME: &str = "Debug.Health";

/// The request: empty, because no generation reads its one field.
pub(crate) const REQUEST: Bytes = Bytes::new();

/// Returns `/{server_name}.Debug/Health`, or `/Debug/Health` for a name that does not fit into a
/// path. Servers read only the part behind the last dot.
pub(crate) fn path(server_name: &str) -> PathAndQuery {
    let fits = |byte: u8| byte.is_ascii_alphanumeric() || b"-._~!$&'()*+,;=:@".contains(&byte);
    Some(server_name)
        .filter(|name| !name.is_empty() && name.bytes().all(fits))
        .and_then(|name| PathAndQuery::try_from(format!("/{name}.Debug/Health")).ok())
        .unwrap_or_else(|| PathAndQuery::from_static("/Debug/Health"))
}

/// Returns the URI of a call to `authority`.
pub(crate) fn uri(scheme: Scheme, authority: &str, path: PathAndQuery) -> Uri {
    let mut parts = http::uri::Parts::default();
    parts.scheme = Some(scheme);
    parts.authority = authority.parse().ok();
    if parts.authority.is_none() {
        parts.authority = Some(http::uri::Authority::from_static("localhost"));
    }
    parts.path_and_query = Some(path);
    Uri::from_parts(parts).unwrap_or_else(|_| Uri::from_static("http://localhost/Debug/Health"))
}

/// Returns the verdict that an answer to `Debug.Health` gives.
///
/// # Errors
///
/// Returns an error for every code but `Ok`, and for every status but "ok". Only the code decides
/// and never the message, because go-micro 1.8 prints heap addresses into messages.
pub(crate) fn verdict(answer: &Answer) -> Verdict {
    match answer.code {
        Code::Ok => match HealthResponse::decode(&answer.message[..]) {
            Ok(response) => status(&response.status),
            Err(_) => Err(Unhealthy::Protocol(
                "a message that is not a HealthResponse".into(),
            )),
        },
        Code::Unimplemented => Err(Unhealthy::NoDebug(NAME)),
        code => Err(refusal(code, &micro_error::describe(&answer.text))),
    }
}

/// Returns the verdict that the status of a `HealthResponse` gives: only "ok" is healthy.
pub(crate) fn status(status: &str) -> Verdict {
    match status {
        "ok" => Ok(()),
        "" => Err(Unhealthy::NotServing("an empty status".into())),
        status => Err(Unhealthy::NotServing(format!("status {status:?}").into())),
    }
}

/// Converts an error that the service itself sent, on either gRPC service.
pub(crate) fn refusal(code: Code, text: &str) -> Unhealthy {
    match code {
        Code::Unauthenticated | Code::PermissionDenied => Unhealthy::Denied(text.into()),
        code => Unhealthy::Failing(format!("{code:?}: {text}").into()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_unfit_for_a_path_is_left_out() {
        for (name, expected) in [
            ("greeter", "/greeter.Debug/Health"),
            ("go.micro.srv.greeter", "/go.micro.srv.greeter.Debug/Health"),
            ("", "/Debug/Health"),
            ("team/greeter", "/Debug/Health"),
            ("gree ter", "/Debug/Health"),
            ("gre?eter", "/Debug/Health"),
            ("grüßer", "/Debug/Health"),
            ("a%2Fb", "/Debug/Health"),
        ] {
            assert_eq!(path(name), expected, "{name:?}");
        }
    }

    #[test]
    fn the_code_decides_and_the_status_must_be_ok() {
        let answer = |code, text: &str, message: &'static [u8]| Answer {
            code,
            text: text.to_owned(),
            message: Bytes::from_static(message),
        };
        let db_down =
            r#"{"id":"db.down","code":503,"detail":"no database","status":"Service Unavailable"}"#;
        for (answer, expected) in [
            (answer(Code::Ok, "", b"\x0a\x02ok"), Ok(())),
            (
                answer(Code::Ok, "", b"\x0a\x08degraded"),
                Err(Unhealthy::NotServing("status \"degraded\"".into())),
            ),
            (
                answer(Code::Ok, "", b"\x0a\x02OK"),
                Err(Unhealthy::NotServing("status \"OK\"".into())),
            ),
            (
                answer(Code::Ok, "", b""),
                Err(Unhealthy::NotServing("an empty status".into())),
            ),
            (
                answer(Code::Ok, "", b"\x08\x01"),
                Err(Unhealthy::Protocol(
                    "a message that is not a HealthResponse".into(),
                )),
            ),
            (
                answer(Code::Unimplemented, "unknown service Debug", b""),
                Err(Unhealthy::NoDebug(NAME)),
            ),
            (
                answer(Code::Unavailable, db_down, b""),
                Err(Unhealthy::Failing(
                    "Unavailable: no database (503, db.down)".into(),
                )),
            ),
            (
                answer(Code::Unknown, "plain failure", b""),
                Err(Unhealthy::Failing("Unknown: plain failure".into())),
            ),
            (
                answer(Code::Unauthenticated, "token", b""),
                Err(Unhealthy::Denied("token".into())),
            ),
        ] {
            assert_eq!(verdict(&answer), expected, "{answer:?}");
        }
    }
}
