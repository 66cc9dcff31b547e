//! A micro service: `Debug.Health` over gRPC.

use std::convert::Infallible;
use std::sync::{Arc, Mutex, PoisonError};

use bytes::Bytes;
use http::header::{self, HeaderMap, HeaderName, HeaderValue};
use http::{Request, Response};
use http_body_util::combinators::UnsyncBoxBody;
use http_body_util::{BodyExt, Full};
use hyper::body::Incoming;

use super::grpc::{respond, serve};
use crate::frames;
use crate::service::{Count, Script};

/// The status that a [`debug_service`] answers. At first it is "ok", the only healthy one.
#[derive(Clone, Debug)]
pub struct DebugStatus(Arc<Mutex<String>>);

/// Returns a healthy micro service.
pub fn grpc() -> Script {
    debug_service(&Count::default()).1
}

/// Returns a micro service that counts its calls, and the handle that changes its status.
pub fn debug_service(calls: &Count) -> (DebugStatus, Script) {
    let status = DebugStatus::default();
    let (answered, calls) = (status.clone(), calls.clone());
    let script = Script::new(move |stream| {
        let (status, calls) = (answered.clone(), calls.clone());
        serve(stream, move |request| {
            calls.add();
            answer(request, status.clone())
        })
    });
    (status, script)
}

async fn answer(
    request: Request<Incoming>,
    status: DebugStatus,
) -> Result<Response<UnsyncBoxBody<Bytes, Infallible>>, hyper::Error> {
    let is_health = is_debug_health(request.uri().path());
    // The answer comes after the whole request, as from every unary gRPC server.
    request.into_body().collect().await?;
    if !is_health {
        return Ok(respond(tonic::Code::Unimplemented).map(BodyExt::boxed_unsync));
    }
    let trailers = [("grpc-status", "0")].map(|(name, value)| {
        let name = HeaderName::from_static(name);
        (name, HeaderValue::from_static(value))
    });
    let body = Full::from(frames::message(&status.message()))
        .with_trailers(async { Some(Ok(HeaderMap::from_iter(trailers))) })
        .boxed_unsync();
    let mut response = Response::new(body);
    let grpc = HeaderValue::from_static("application/grpc");
    response.headers_mut().insert(header::CONTENT_TYPE, grpc);
    Ok(response)
}

/// Decides as go-micro routes: the path has two parts, and only the last dot-separated piece of the
/// first one counts.
fn is_debug_health(path: &str) -> bool {
    path.strip_suffix("/Health")
        .and_then(|service| service.strip_prefix('/'))
        .is_some_and(|service| {
            !service.contains('/') && service.rsplit('.').next() == Some("Debug")
        })
}

// === impl DebugStatus ===

impl DebugStatus {
    /// Answers this status from now on.
    pub fn set(&self, status: impl Into<String>) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = status.into();
    }

    /// Encodes the `HealthResponse` of proto/debug.proto, whose first field is the status.
    fn message(&self) -> Vec<u8> {
        let status = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let length = u8::try_from(status.len()).unwrap_or(u8::MAX);
        assert!(length < 0x80, "a longer status needs another encoding");
        [&[0x0a, length], status.as_bytes()].concat()
    }
}

impl Default for DebugStatus {
    fn default() -> Self {
        Self(Arc::new(Mutex::new("ok".to_owned())))
    }
}
