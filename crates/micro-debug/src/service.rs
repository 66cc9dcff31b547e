//! The tower service: routing as go-micro's, one method.

use std::convert::Infallible;
use std::error::Error;
use std::future::{self, Future};
use std::pin::Pin;
use std::task::{Context, Poll};

use http::{Request, Response};
use tonic::Status;
use tonic::body::Body;
use tonic::server::{Grpc, NamedService, UnaryService};
use tonic_prost::ProstCodec;
use tower_service::Service;

use crate::health::Health;
use crate::pb::{HealthRequest, HealthResponse};

/// A tower service that answers `Debug.Health` under any prefix of the service name.
///
/// It takes any request body, so that it serves a hyper connection as well as a tonic router.
/// Every other path is answered with `UNIMPLEMENTED`.
#[derive(Clone, Debug)]
pub struct DebugService {
    health: Health,
}

/// A call of `Debug.Health`.
struct Call(Health);

// === impl DebugService ===

impl DebugService {
    pub(crate) fn new(health: Health) -> Self {
        Self { health }
    }
}

/// Lets tonic's `add_service` take the service.
impl NamedService for DebugService {
    /// A capture of tonic's router, which registers `/{NAME}/{*rest}`.
    ///
    /// It matches every service name that no other service of the router has. A fixed name could
    /// not: clients put the service's own name in front of `.Debug`.
    const NAME: &'static str = "{service}";
}

impl<B> Service<Request<B>> for DebugService
where
    B: http_body::Body + Send + 'static,
    B::Error: Into<Box<dyn Error + Send + Sync>> + Send,
{
    type Response = Response<Body>;
    type Error = Infallible;
    type Future = Pin<Box<dyn Future<Output = Result<Response<Body>, Infallible>> + Send>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: Request<B>) -> Self::Future {
        if !is_debug_health(request.uri().path()) {
            return Box::pin(future::ready(Ok(Status::unimplemented("").into_http())));
        }
        let call = Call(self.health.clone());
        Box::pin(async move {
            let mut grpc = Grpc::new(ProstCodec::default());
            Ok(grpc.unary(call, request).await)
        })
    }
}

/// Returns whether go-micro's servers route this path to `Debug.Health`.
///
/// A path has two parts. Only the last dot-separated piece of the first one counts.
fn is_debug_health(path: &str) -> bool {
    path.strip_prefix('/')
        .and_then(|path| path.split_once('/'))
        .is_some_and(|(service, method)| {
            service.rsplit('.').next() == Some("Debug") && method == "Health"
        })
}

// === impl Call ===

impl UnaryService<HealthRequest> for Call {
    type Response = HealthResponse;
    type Future = future::Ready<Result<tonic::Response<HealthResponse>, Status>>;

    fn call(&mut self, _: tonic::Request<HealthRequest>) -> Self::Future {
        let status = self.0.status();
        future::ready(Ok(tonic::Response::new(HealthResponse { status })))
    }
}

#[cfg(test)]
mod tests {
    use super::is_debug_health;

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
            "/greeter.Debug/Health/",
            "/NotDebug/Health",
            "/",
            "*",
        ] {
            assert!(!is_debug_health(path), "{path}");
        }
    }
}
