//! gRPC servers.

use std::convert::Infallible;
use std::future;
use std::sync::Arc;

use http::{Request, Response};
use hyper::body::{Body, Incoming};
use hyper::service::service_fn;
use hyper_util::rt::{TokioExecutor, TokioIo};
use hyper_util::server::conn::auto;
use tokio::net::TcpStream;
use tonic_health::ServingStatus::{NotServing, Serving};
use tonic_health::pb::health_server::HealthServer;
use tonic_health::server::{HealthReporter, HealthService};
use tower_service::Service as _;

use crate::service::Script;

/// Returns a server of `grpc.health.v1` alone, where these names are serving.
pub fn grpc_health(serving: &[&str]) -> Script {
    let serving: Arc<[String]> = serving.iter().map(|name| (*name).to_owned()).collect();
    Script::new(move |stream| {
        let serving = Arc::clone(&serving);
        async move {
            let reporter = HealthReporter::new();
            let server = if serving.iter().any(String::is_empty) {
                Serving
            } else {
                NotServing
            };
            reporter.set_service_status("", server).await;
            for name in serving.iter() {
                reporter.set_service_status(name.clone(), Serving).await;
            }
            let service = HealthServer::new(HealthService::from_health_reporter(reporter));
            serve(stream, move |request: Request<Incoming>| {
                service.clone().call(request)
            })
            .await;
        }
    })
}

/// Returns a gRPC server that has neither health service.
pub fn bare_grpc() -> Script {
    failing(tonic::Code::Unimplemented)
}

/// Returns a gRPC server that answers every call with this code.
pub fn failing(code: tonic::Code) -> Script {
    Script::new(move |stream| {
        serve(stream, move |_| {
            future::ready(Ok::<_, Infallible>(respond(code)))
        })
    })
}

/// Returns an answer that has a code and no message.
pub(super) fn respond(code: tonic::Code) -> Response<EmptyBody> {
    tonic::Status::new(code, "by script").into_http()
}

/// The body of an answer without a message.
pub(super) type EmptyBody = http_body_util::Empty<bytes::Bytes>;

/// Serves HTTP/2 on a connection.
pub(super) async fn serve<S, F, B, E>(stream: TcpStream, service: S)
where
    S: Fn(Request<Incoming>) -> F,
    F: Future<Output = Result<Response<B>, E>> + Send + 'static,
    B: Body + Send + 'static,
    B::Data: Send,
    B::Error: std::error::Error + Send + Sync,
    E: std::error::Error + Send + Sync + 'static,
{
    let builder = auto::Builder::new(TokioExecutor::new()).http2_only();
    let connection = builder.serve_connection(TokioIo::new(stream), service_fn(service));
    let _ = connection.await;
}
