//! The checked services, healthy and unhealthy.

use std::net::SocketAddr;
use std::sync::{Arc, Mutex};

use http::Request;
use hyper::body::Incoming;
use hyper::service::service_fn;
use hyper_util::rt::{TokioExecutor, TokioIo};
use hyper_util::server::conn::auto;
use micro_health::debug;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use tonic_health::ServingStatus::{NotServing, Serving};
use tonic_health::pb::health_server::HealthServer;
use tonic_health::server::{HealthReporter, HealthService};
use tower_service::Service as _;

pub async fn listen() -> (TcpListener, SocketAddr) {
    let listener = TcpListener::bind("127.0.0.1:0").await;
    let listener = listener.expect("loopback must be free");
    let address = listener.local_addr().expect("it is bound");
    (listener, address)
}

/// Listens, and runs this script on every connection.
pub async fn serve<F>(script: impl Fn(TcpStream) -> F + Send + 'static) -> SocketAddr
where
    F: Future<Output = ()> + Send + 'static,
{
    let (listener, address) = listen().await;
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            tokio::spawn(script(stream));
        }
    });
    address
}

/// Serves go-micro's Debug.Health over gRPC; also returns the heads of the requests.
pub async fn grpc(status: &str) -> (SocketAddr, Arc<Mutex<Vec<http::request::Parts>>>) {
    let (health, service) = debug::service();
    health.set(status);
    let heads = Arc::<Mutex<Vec<_>>>::default();
    let kept = Arc::clone(&heads);
    let address = serve(move |stream| {
        let (service, kept) = (service.clone(), Arc::clone(&kept));
        async move {
            let answer = service_fn(move |request: Request<Incoming>| {
                let (head, body) = request.into_parts();
                kept.lock().expect("no test panics here").push(head.clone());
                service.clone().call(Request::from_parts(head, body))
            });
            let builder = auto::Builder::new(TokioExecutor::new()).http2_only();
            let _ = builder.serve_connection(TokioIo::new(stream), answer).await;
        }
    });
    (address.await, heads)
}

/// Serves grpc.health.v1: `""` and `up` are SERVING, `down` is not.
pub async fn grpc_health() -> SocketAddr {
    let reporter = HealthReporter::new();
    reporter.set_service_status("", Serving).await;
    reporter.set_service_status("up", Serving).await;
    reporter.set_service_status("down", NotServing).await;
    serve(move |stream| {
        let service = HealthServer::new(HealthService::from_health_reporter(reporter.clone()));
        async move {
            let answer =
                service_fn(move |request: Request<Incoming>| service.clone().call(request));
            let builder = auto::Builder::new(TokioExecutor::new()).http2_only();
            let _ = builder.serve_connection(TokioIo::new(stream), answer).await;
        }
    })
    .await
}

/// Answers the first bytes that it reads with these bytes, and keeps the connection.
pub async fn answering(bytes: String) -> SocketAddr {
    serve(move |mut stream| {
        let bytes = bytes.clone();
        async move {
            let mut read = [0; 4096];
            let _ = stream.read(&mut read).await;
            let _ = stream.write_all(bytes.as_bytes()).await;
            while stream.read(&mut read).await.is_ok_and(|read| read > 0) {}
        }
    })
    .await
}

pub fn mucp(body: &str) -> impl Future<Output = SocketAddr> {
    let length = body.len();
    answering(format!(
        "HTTP/1.1 200 OK\r\nContent-Type: application/json-rpc\r\nContent-Length: {length}\r\n\r\n{body}"
    ))
}

pub async fn web() -> SocketAddr {
    answering(
        "HTTP/1.1 200 OK\r\nContent-Type: text/html\r\nContent-Length: 2\r\n\r\nOK".to_owned(),
    )
    .await
}

/// Accepts connections and never answers.
pub async fn silent() -> SocketAddr {
    answering(String::new()).await
}

pub async fn refusing() -> SocketAddr {
    listen().await.1
}

/// Listens and never accepts: the returned connections fill its queue.
pub fn full() -> (SocketAddr, Vec<socket2::Socket>) {
    use socket2::{Domain, Socket, Type};
    let socket =
        || Socket::new(Domain::IPV4, Type::STREAM, None).expect("sockets must be available");
    let listener = socket();
    let any = SocketAddr::from(([127, 0, 0, 1], 0));
    let bound = listener.bind(&any.into());
    bound
        .and_then(|()| listener.listen(0))
        .expect("loopback must be free");
    let address = listener.local_addr().expect("it is bound");
    let mut open = vec![listener];
    for _ in 0..3 {
        let client = socket();
        client.set_nonblocking(true).expect("it is a socket");
        let _ = client.connect(&address);
        open.push(client);
    }
    (address.as_socket().expect("it is IPv4"), open)
}
