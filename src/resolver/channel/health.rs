//! The health that an endpoint reports, for as long as its connection lasts.
//!
//! | the stream of `grpc.health.v1.Health/Watch`     | requests | asked again    |
//! |-------------------------------------------------|----------|----------------|
//! | has said nothing yet                            | none     |                |
//! | says SERVING                                    | yes      |                |
//! | says anything else                              | none     |                |
//! | ends with UNIMPLEMENTED                         | yes      | no             |
//! | ends in another way, or is silent for too long  | none     | after a wait   |
//!
//! Source: gRFC A17, "Client-Side Health Checking".

use std::error::Error as _;
use std::time::Duration;

use bytes::Bytes;
use http::{HeaderMap, HeaderValue, Request, StatusCode, Uri, header};
use http_body_util::{BodyExt as _, Full};
use hyper::client::conn::http2::SendRequest;
use prost::Message as _;
use tokio::time;
use tonic::Code;
use tonic::body::Body;
use tonic_health::pb::health_check_response::ServingStatus;
use tonic_health::pb::{HealthCheckRequest, HealthCheckResponse};

/// The time limit for the first message. A connection that carries none is of no use to a request.
const FIRST: Duration = Duration::from_secs(10);

/// The longest message, in bytes. A status has two, and a later protocol may add to it.
const LONGEST: usize = 1 << 10;

/// The service whose health is watched, and the address of the call.
#[derive(Clone, Debug)]
pub(super) struct Health {
    service: String,
    uri: Uri,
}

/// The latest health of an endpoint.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(super) enum HealthStatus {
    /// The endpoint takes requests.
    Serving,
    /// The endpoint takes no requests, for this reason.
    Not(String),
}

/// The end of a stream.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(super) enum Ended {
    /// The server does not implement health checks.
    Unimplemented,
    /// The stream broke for this reason, after a message or before the first.
    Broken { why: String, had_said: bool },
}

/// Bytes to messages: a byte that says whether it is compressed, a length of four, and so
/// many more. Source: gRPC over HTTP/2, "Length-Prefixed-Message".
#[derive(Debug, Default)]
struct Messages(Vec<u8>);

// === impl Health ===

impl Health {
    /// Watches this service at this scheme and authority; "" is the server as a whole.
    pub(super) fn new(
        service: String,
        scheme: &http::uri::Scheme,
        authority: &http::uri::Authority,
    ) -> Self {
        let uri = Uri::builder()
            .scheme(scheme.clone())
            .authority(authority.clone())
            .path_and_query("/grpc.health.v1.Health/Watch")
            .build()
            .expect("the parts of URIs must make a URI");
        Self { service, uri }
    }

    /// Follows one stream to its end.
    pub(super) async fn follow(
        &self,
        requests: &mut SendRequest<Body>,
        mut tell: impl FnMut(HealthStatus),
    ) -> Ended {
        let mut had_said = false;
        let broken = |why: String, had_said| Ended::Broken { why, had_said };
        let late = || format!("says nothing of its health within {FIRST:?}");
        let deadline = time::Instant::now() + FIRST;
        let response = match time::timeout_at(deadline, requests.send_request(self.request())).await
        {
            Ok(Ok(response)) => response,
            Ok(Err(error)) => return broken(whole(&error), had_said),
            Err(_) => return broken(late(), had_said),
        };
        let (head, mut body) = response.into_parts();
        let mut messages = Messages::default();
        loop {
            let frame = if had_said {
                body.frame().await
            } else {
                match time::timeout_at(deadline, body.frame()).await {
                    Ok(frame) => frame,
                    Err(_) => return broken(late(), had_said),
                }
            };
            let frame = match frame {
                None => return ended(head.status, &head.headers, had_said),
                Some(Err(error)) => return broken(whole(&error), had_said),
                Some(Ok(frame)) => frame,
            };
            if let Some(trailers) = frame.trailers_ref() {
                return ended(head.status, trailers, had_said);
            }
            messages.0.extend(frame.data_ref().into_iter().flatten());
            loop {
                match messages.next() {
                    Ok(None) => break,
                    Ok(Some(said)) => tell(said),
                    Err(why) => return broken(why.to_owned(), had_said),
                }
                had_said = true;
            }
        }
    }

    fn request(&self) -> Request<Body> {
        let message = HealthCheckRequest {
            service: self.service.clone(),
        };
        let message = message.encode_to_vec();
        let length = u32::try_from(message.len()).unwrap_or(u32::MAX);
        let framed = [&[0], &length.to_be_bytes()[..], &message].concat();
        let mut request = Request::new(Body::new(Full::new(Bytes::from(framed))));
        *request.method_mut() = http::Method::POST;
        *request.uri_mut() = self.uri.clone();
        *request.version_mut() = http::Version::HTTP_2;
        for (name, value) in [
            (header::TE, "trailers"),
            (header::CONTENT_TYPE, "application/grpc"),
            (header::USER_AGENT, crate::USER_AGENT),
        ] {
            request
                .headers_mut()
                .insert(name, HeaderValue::from_static(value));
        }
        request
    }
}

/// Returns the cause of an error of hyper, which is what the peer did.
fn whole(error: &hyper::Error) -> String {
    match error.source() {
        Some(behind) => format!("{error}: {behind}"),
        None => error.to_string(),
    }
}

/// Returns the meaning of a stream's end, by its trailers, or by a head that has their place.
fn ended(status: StatusCode, trailers: &HeaderMap, had_said: bool) -> Ended {
    let code = trailers.get("grpc-status");
    let code = code.map(|code| Code::from_bytes(code.as_bytes()));
    match code {
        Some(Code::Unimplemented) => Ended::Unimplemented,
        // What gRPC's clients make of a server that knows no gRPC.
        None if status == StatusCode::NOT_FOUND => Ended::Unimplemented,
        Some(code) => Ended::Broken {
            why: format!("its health is told no more: {code:?}"),
            had_said,
        },
        None => Ended::Broken {
            why: format!("HTTP {} without grpc-status", status.as_u16()),
            had_said,
        },
    }
}

// === impl Messages ===

impl Messages {
    /// The next one, once all of it has come.
    fn next(&mut self) -> Result<Option<HealthStatus>, &'static str> {
        let Some(([compressed, length @ ..], rest)) = self.0.split_first_chunk::<5>() else {
            return Ok(None);
        };
        if *compressed != 0 {
            return Err("its health comes compressed, which was not offered");
        }
        let length = usize::try_from(u32::from_be_bytes(*length)).unwrap_or(usize::MAX);
        if length > LONGEST {
            return Err("its health is longer than any status");
        }
        let Some(message) = rest.get(..length) else {
            return Ok(None);
        };
        let response = HealthCheckResponse::decode(message);
        self.0.drain(..5 + length);
        match response.map(|it| it.status()) {
            Ok(ServingStatus::Serving) => Ok(Some(HealthStatus::Serving)),
            Ok(status) => Ok(Some(HealthStatus::Not(format!(
                "says {}",
                status.as_str_name()
            )))),
            Err(_) => Err("its health is no HealthCheckResponse"),
        }
    }
}

#[cfg(test)]
mod tests;
