//! The paths of the README, over a real socket, in each way to serve.

#![expect(clippy::unwrap_used, reason = "a test binary: a panic is a verdict")]

use std::convert::Infallible;
use std::future::{Ready, ready};
use std::net::SocketAddr;
use std::task::{Context, Poll};

use http::{Request, Response};
use hyper_util::rt::{TokioExecutor, TokioIo};
use hyper_util::server::conn::auto;
use hyper_util::service::TowerToHyperService;
use micro_debug::DebugService;
use tokio::net::TcpListener;
use tonic::body::Body;
use tonic::server::NamedService;
use tonic::service::Routes;
use tonic::transport::Server;
use tonic::transport::server::TcpIncoming;
use tonic::{Code, Status};
use tower_service::Service;

mod support;

/// The paths that clients call.
const DEBUG: [&str; 5] = [
    "/greeter.Debug/Health",
    "/proto.Debug/Health",
    "/Debug/Health",
    "/go.micro.srv.greeter.Debug/Health",
    "/greeter.Greeter.Debug/Health",
];

/// The paths that nothing answers.
const UNKNOWN: [&str; 4] = [
    "/greeter.Debug/Stats",
    "/greeter.Debug",
    "/greeter/Debug/Health",
    "/greeter.Greete/Hello",
];

/// A service beside ours, which answers each call with its own error.
#[derive(Clone)]
struct Greeter;

#[tokio::test]
async fn tonics_server_takes_it_after_another_service() {
    let (health, debug) = micro_debug::service();
    let routes = Routes::new(Greeter).add_service(debug);
    let address = tonic(routes);
    answers(address, &health).await;
    greets(address).await;
}

#[tokio::test]
async fn tonics_server_takes_it_before_another_service() {
    let (health, debug) = micro_debug::service();
    let routes = Routes::new(debug).add_service(Greeter);
    let address = tonic(routes);
    answers(address, &health).await;
    greets(address).await;
}

#[tokio::test]
async fn tonics_server_takes_it_alone() {
    let (health, debug) = micro_debug::service();
    let incoming = TcpIncoming::bind(([127, 0, 0, 1], 0).into()).unwrap();
    let address = incoming.local_addr().unwrap();
    let router = Server::builder().add_service(debug);
    tokio::spawn(router.serve_with_incoming(incoming));
    answers(address, &health).await;
}

#[tokio::test]
async fn it_is_a_fallback_of_tonics_router() {
    let (health, debug) = micro_debug::service();
    let router = Routes::new(Greeter).into_axum_router();
    let address = tonic(router.fallback_service(debug).into());
    answers(address, &health).await;
    greets(address).await;
}

#[test]
#[should_panic(expected = "conflict with previously registered route")]
fn tonics_router_has_room_for_one_capture() {
    let (_, debug) = micro_debug::service();
    let router = Routes::new(Greeter).into_axum_router();
    let router = router.route_service("/{folder}/{*file}", debug.clone());
    Routes::from(router).add_service(debug);
}

#[tokio::test]
async fn hyper_alone_serves_it() {
    let (health, debug) = micro_debug::service();
    answers(hyper(debug).await, &health).await;
}

/// Calls every path twice, with a change of the health between.
async fn answers(address: SocketAddr, health: &micro_debug::Health) {
    let client = support::connect(address).await;
    for expected in ["ok", "degraded"] {
        health.set(expected);
        for path in DEBUG {
            let answer = support::status(client.clone(), path).await;
            assert_eq!(answer.unwrap(), expected, "{path}");
        }
    }
    for path in UNKNOWN {
        let refused = support::status(client.clone(), path).await.unwrap_err();
        assert_eq!(refused.code(), Code::Unimplemented, "{path}: {refused}");
    }
}

/// Calls the service beside ours, which keeps every path of its name.
async fn greets(address: SocketAddr) {
    let client = support::connect(address).await;
    for path in ["/greeter.Greeter/Hello", "/greeter.Greeter/Health"] {
        let refused = support::status(client.clone(), path).await.unwrap_err();
        assert_eq!(refused.code(), Code::AlreadyExists, "{path}: {refused}");
    }
}

fn tonic(routes: Routes) -> SocketAddr {
    let incoming = TcpIncoming::bind(([127, 0, 0, 1], 0).into()).unwrap();
    let address = incoming.local_addr().unwrap();
    let router = Server::builder().add_routes(routes);
    tokio::spawn(router.serve_with_incoming(incoming));
    address
}

async fn hyper(service: DebugService) -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(async move {
        let (stream, _) = listener.accept().await.unwrap();
        let server = auto::Builder::new(TokioExecutor::new()).http2_only();
        let service = TowerToHyperService::new(service);
        let _ = server.serve_connection(TokioIo::new(stream), service).await;
    });
    address
}

// === impl Greeter ===

impl NamedService for Greeter {
    const NAME: &'static str = "greeter.Greeter";
}

impl Service<Request<Body>> for Greeter {
    type Response = Response<Body>;
    type Error = Infallible;
    type Future = Ready<Result<Response<Body>, Infallible>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, _: Request<Body>) -> Self::Future {
        ready(Ok(Status::already_exists("the greeter").into_http()))
    }
}
