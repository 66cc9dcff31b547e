//! Services by script: well ones of every protocol, and the parts of bad ones.

use std::convert::Infallible;
use std::future;
use std::sync::Arc;
use std::time::Duration;

use http::{Request, Response};
use hyper::body::Incoming;
use hyper::service::service_fn;
use hyper_util::rt::{TokioExecutor, TokioIo};
use hyper_util::server::conn::auto;
use micro_health::debug;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tower_service::Service as _;

use super::frames;
use super::service::{Count, Script};

/// The json-rpc body of a service that is well.
pub const WELL: &str = "{\"id\":\"1\",\"result\":{\"status\":\"ok\"},\"error\":null}\n";

/// A micro service in Rust: `Debug.Health` over gRPC.
pub fn grpc() -> Script {
    debug_service(&Count::default()).1
}

/// The same, with the handle that changes its status, counting its calls.
pub fn debug_service(calls: &Count) -> (debug::Health, Script) {
    let (health, service) = debug::service();
    let calls = calls.clone();
    let script = Script::new(move |stream| {
        let (service, calls) = (service.clone(), calls.clone());
        serve(stream, move |request: Request<Incoming>| {
            calls.add();
            service.clone().call(request)
        })
    });
    (health, script)
}

/// A server of `grpc.health.v1` alone, with these names serving.
pub fn grpc_health(serving: &[&str]) -> Script {
    use tonic_health::ServingStatus::{NotServing, Serving};
    use tonic_health::pb::health_server::HealthServer;
    use tonic_health::server::{HealthReporter, HealthService};
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

/// A gRPC server without either health service.
pub fn bare_grpc() -> Script {
    failing(tonic::Code::Unimplemented)
}

/// A gRPC server that answers every call with this code.
pub fn failing(code: tonic::Code) -> Script {
    Script::new(move |stream| {
        serve(stream, move |_| {
            let status = tonic::Status::new(code, "by script");
            future::ready(Ok::<_, Infallible>(status.into_http::<tonic::body::Body>()))
        })
    })
}

async fn serve<S, F, B, E>(stream: TcpStream, service: S)
where
    S: Fn(Request<Incoming>) -> F,
    F: Future<Output = Result<Response<B>, E>> + Send + 'static,
    B: hyper::body::Body + Send + 'static,
    B::Data: Send,
    B::Error: std::error::Error + Send + Sync,
    E: std::error::Error + Send + Sync + 'static,
{
    let builder = auto::Builder::new(TokioExecutor::new()).http2_only();
    let connection = builder.serve_connection(TokioIo::new(stream), service_fn(service));
    let _ = connection.await;
}

/// A mucp service that is well.
pub fn mucp() -> Script {
    http("Content-Type: application/json-rpc\r\n", WELL)
}

/// Answers every HTTP/1.1 request with 200 and this.
pub fn http(head: &str, body: &str) -> Script {
    let length = body.len();
    answering(format!(
        "HTTP/1.1 200 OK\r\nContent-Length: {length}\r\n{head}\r\n{body}"
    ))
}

/// Answers every HTTP/1.1 request with these bytes, on a connection that stays open.
pub fn answering(bytes: impl Into<Vec<u8>>) -> Script {
    let bytes: Arc<[u8]> = bytes.into().into();
    Script::new(move |mut stream| {
        let bytes = Arc::clone(&bytes);
        async move {
            while read_request(&mut stream).await.is_some() {
                let _ = stream.write_all(&bytes).await;
            }
        }
    })
}

/// Speaks first on every connection, then waits until the peer leaves.
pub fn saying(bytes: impl Into<Vec<u8>>) -> Script {
    let bytes: Arc<[u8]> = bytes.into().into();
    Script::new(move |mut stream| {
        let bytes = Arc::clone(&bytes);
        async move {
            let _ = stream.write_all(&bytes).await;
            until_closed(&mut stream).await;
        }
    })
}

/// An HTTP/2 server: these bytes at once, those when the call is whole, then it
/// waits until the peer leaves.
pub fn h2(at_once: impl Into<Vec<u8>>, on_call: impl Into<Vec<u8>>) -> Script {
    let bytes: Arc<(Vec<u8>, Vec<u8>)> = Arc::new((at_once.into(), on_call.into()));
    Script::new(move |mut stream| {
        let bytes = Arc::clone(&bytes);
        async move {
            let _ = stream.write_all(&bytes.0).await;
            if frames::read_call(&mut stream).await.is_some() {
                let _ = stream.write_all(&bytes.1).await;
            }
            until_closed(&mut stream).await;
        }
    })
}

/// As a gRPC server answers: SETTINGS, then these bytes when the call is whole.
pub fn call_answered_by(bytes: impl Into<Vec<u8>>) -> Script {
    h2(frames::settings(&[]), bytes)
}

/// Accepts and says nothing.
pub fn silent() -> Script {
    Script::new(|mut stream| async move { until_closed(&mut stream).await })
}

/// Reads one HTTP/1.1 request; `None` if the peer left before its end.
pub async fn read_request(stream: &mut TcpStream) -> Option<Vec<u8>> {
    let mut received = Vec::new();
    loop {
        let text = String::from_utf8_lossy(&received);
        if let Some((head, body)) = text.split_once("\r\n\r\n") {
            let length = head.lines().find_map(|line| {
                let (name, value) = line.split_once(':')?;
                name.eq_ignore_ascii_case("content-length")
                    .then(|| value.trim().parse().ok())?
            });
            if body.len() >= length.unwrap_or(0) {
                return Some(received);
            }
        }
        if stream.read_buf(&mut received).await.ok()? == 0 {
            return None;
        }
    }
}

/// Reads one request of HTTP/1.1, or one call of HTTP/2 after sending SETTINGS.
pub async fn read_either(stream: &mut TcpStream) -> Option<Vec<u8>> {
    if speaks_http2(stream).await {
        let _ = stream.write_all(&frames::settings(&[])).await;
        frames::read_call(stream).await
    } else {
        read_request(stream).await
    }
}

/// Whether the peer begins with HTTP/2's preface.
pub async fn speaks_http2(stream: &mut TcpStream) -> bool {
    let mut start = [0; 3];
    let _ = stream.peek(&mut start).await;
    start == *b"PRI"
}

/// Reads until the peer leaves.
pub async fn until_closed(stream: &mut TcpStream) {
    let mut ignored = [0; 1024];
    while stream.read(&mut ignored).await.is_ok_and(|read| read > 0) {}
}

/// Closes with a reset instead of an end.
pub fn cut(stream: TcpStream) {
    let _ = socket2::SockRef::from(&stream).set_linger(Some(Duration::ZERO));
    drop(stream);
}
