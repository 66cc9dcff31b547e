//! The standard `grpc.health.v1.Health/Check`.
//!
//! Source: the gRPC health checking protocol, `health.proto`.

use bytes::Bytes;
use http::uri::PathAndQuery;
use prost::Message as _;
use tonic::Code;
use tonic_health::pb::health_check_response::ServingStatus;
use tonic_health::pb::{HealthCheckRequest, HealthCheckResponse};

use crate::check::debug_grpc::refusal;
use crate::check::grpc::answer::Answer;
use crate::check::unhealthy::Unhealthy;
use crate::check::verdict::Verdict;

/// The name of the checked service in messages.
pub(crate) const NAME: &str = "grpc.health.v1.Health";

/// Returns the path of the method.
pub(crate) fn path() -> PathAndQuery {
    PathAndQuery::from_static("/grpc.health.v1.Health/Check")
}

/// Returns the request for one service name; "" stands for the server as a whole.
pub(crate) fn request(service: &str) -> Bytes {
    HealthCheckRequest {
        service: service.to_owned(),
    }
    .encode_to_vec()
    .into()
}

/// Returns the verdict that an answer to a `Check` of `service` gives.
///
/// # Errors
///
/// Returns an error for everything but SERVING.
pub(crate) fn verdict(answer: &Answer, service: &str) -> Verdict {
    match answer.code {
        Code::Ok => match HealthCheckResponse::decode(&answer.message[..]) {
            Ok(response) => match response.status() {
                ServingStatus::Serving => Ok(()),
                ServingStatus::ServiceUnknown => Err(Unhealthy::UnknownService(service.to_owned())),
                status => Err(Unhealthy::NotServing(status.as_str_name().into())),
            },
            Err(_) => Err(Unhealthy::Protocol(
                "a message that is not a HealthCheckResponse".into(),
            )),
        },
        Code::NotFound => Err(Unhealthy::UnknownService(service.to_owned())),
        Code::Unimplemented => Err(Unhealthy::NoDebug(NAME)),
        code => Err(refusal(code, &answer.text)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_serving_is_healthy() {
        let answer = |code, message: &'static [u8]| Answer {
            code,
            text: "text".into(),
            message: Bytes::from_static(message),
        };
        let not_serving = |text: &str| Err(Unhealthy::NotServing(text.into()));
        for (answer, expected) in [
            (answer(Code::Ok, b"\x08\x01"), Ok(())),
            (answer(Code::Ok, b"\x08\x02"), not_serving("NOT_SERVING")),
            (answer(Code::Ok, b""), not_serving("UNKNOWN")),
            (answer(Code::Ok, b"\x08\x63"), not_serving("UNKNOWN")),
            (
                answer(Code::Ok, b"\x08\x03"),
                Err(Unhealthy::UnknownService("greeter".into())),
            ),
            (
                answer(Code::Ok, b"\x0a\x02ok"),
                Err(Unhealthy::Protocol(
                    "a message that is not a HealthCheckResponse".into(),
                )),
            ),
            (
                answer(Code::NotFound, b""),
                Err(Unhealthy::UnknownService("greeter".into())),
            ),
            (
                answer(Code::Unimplemented, b""),
                Err(Unhealthy::NoDebug(NAME)),
            ),
            (
                answer(Code::PermissionDenied, b""),
                Err(Unhealthy::Denied("text".into())),
            ),
            (
                answer(Code::Unknown, b""),
                Err(Unhealthy::Failing("Unknown: text".into())),
            ),
        ] {
            assert_eq!(verdict(&answer, "greeter"), expected, "{answer:?}");
        }
    }

    #[test]
    fn asks_for_the_name() {
        assert_eq!(&request("greeter")[..], b"\x0a\x07greeter");
        assert_eq!(&request("")[..], b"");
    }
}
