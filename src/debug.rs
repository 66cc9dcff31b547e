//! The `Debug` service, so that a Rust program is a micro service like any other.
//!
//! ```
//! let (health, service) = micro_health::debug::service();
//! health.set("degraded"); // until now "ok"
//! # let _ = service;
//! ```
//!
//! `service` is a tower service that answers `/{anything}.Debug/Health`, as
//! go-micro's servers do; give it to hyper, or to tonic's router as a fallback.

use std::convert::Infallible;
use std::sync::{Arc, PoisonError, RwLock};
use std::task::{Context, Poll};

use http::uri::PathAndQuery;
use http::{Request, Response, Uri};
use tonic::body::Body;
use tonic::codegen::{Body as HttpBody, BoxFuture, StdError};
use tonic::{Status, async_trait};
use tower_service::Service;

use self::pb::debug_server::{Debug, DebugServer};
use self::pb::{HealthRequest, HealthResponse};

/// The messages and the server, from proto/debug.proto.
pub mod pb {
    #![expect(
        missing_docs,
        unused_qualifications,
        clippy::pedantic,
        clippy::allow_attributes,
        reason = "generated"
    )]
    tonic::include_proto!("_");
}

/// Sets what the service answers.
#[derive(Clone, Debug)]
pub struct Health(Arc<RwLock<String>>);

/// Answers `Debug.Health` under any path prefix.
#[derive(Clone, Debug)]
pub struct AnyPrefix<S>(S);

/// What [`service`] makes: a tower service over any request body.
pub type DebugService = AnyPrefix<DebugServer<Health>>;

/// A new `Debug` service that answers "ok", and the handle that changes it.
pub fn service() -> (Health, DebugService) {
    let health = Health(Arc::new(RwLock::new("ok".to_owned())));
    (health.clone(), AnyPrefix(DebugServer::new(health)))
}

// === impl Health ===

impl Health {
    /// Answers this status from now on. Only "ok" is healthy.
    pub fn set(&self, status: impl Into<String>) {
        *self.0.write().unwrap_or_else(PoisonError::into_inner) = status.into();
    }
}

#[async_trait]
impl Debug for Health {
    async fn health(
        &self,
        _: tonic::Request<HealthRequest>,
    ) -> Result<tonic::Response<HealthResponse>, Status> {
        let status = self
            .0
            .read()
            .unwrap_or_else(PoisonError::into_inner)
            .clone();
        Ok(tonic::Response::new(HealthResponse { status }))
    }
}

// === impl AnyPrefix ===

impl<S, B> Service<Request<B>> for AnyPrefix<S>
where
    S: Service<
            Request<B>,
            Response = Response<Body>,
            Error = Infallible,
            Future = BoxFuture<Response<Body>, Infallible>,
        >,
    B: HttpBody + Send + 'static,
    B::Error: Into<StdError> + Send + 'static,
{
    type Response = Response<Body>;
    type Error = Infallible;
    type Future = S::Future;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Self::Error>> {
        self.0.poll_ready(cx)
    }

    fn call(&mut self, mut request: Request<B>) -> Self::Future {
        if is_debug_health(request.uri().path()) {
            *request.uri_mut() = without_prefix(request.uri().clone());
        }
        self.0.call(request)
    }
}

/// As go-micro routes: two parts, and only the last dot-separated piece of the first counts.
fn is_debug_health(path: &str) -> bool {
    path.strip_prefix('/')
        .and_then(|path| path.split_once('/'))
        .is_some_and(|(service, method)| {
            service.rsplit('.').next() == Some("Debug") && method == "Health"
        })
}

fn without_prefix(uri: Uri) -> Uri {
    let mut parts = uri.into_parts();
    parts.path_and_query = Some(PathAndQuery::from_static("/Debug/Health"));
    Uri::from_parts(parts).unwrap_or_else(|_| Uri::from_static("/Debug/Health"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn any_prefix_of_debug_is_debug() {
        for path in [
            "/Debug/Health",
            "/greeter.Debug/Health",
            "/go.micro.srv.greeter.Debug/Health",
            "/.Debug/Health",
        ] {
            assert!(is_debug_health(path), "{path}");
        }
        for path in [
            "/Debug.Health",
            "/greeter/Debug/Health",
            "/greeter.Debug/Stats",
            "/NotDebug/Health",
            "/",
        ] {
            assert!(!is_debug_health(path), "{path}");
        }
    }
}
