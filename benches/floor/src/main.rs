//! The smallest HTTP-to-gRPC health sidecar of hyper and tonic, with which `health` is compared:
//! `floor LISTEN BACKEND`. `floor BACKEND` checks once and exits, as `health probe` does.
//!
//! It has no flags, log, limits or drain. It has one path and one protocol, and it decodes
//! nothing.

use std::convert::Infallible;
use std::net::SocketAddr;
use std::time::Duration;

use bytes::{Buf, BufMut, Bytes};
use http::uri::PathAndQuery;
use http::{Request, Response, StatusCode, Uri};
use http_body_util::Full;
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::net::{TcpListener, TcpStream};
use tokio::runtime;
use tokio::time;
use tonic::Status;
use tonic::client::Grpc;
use tonic::codec::{Codec, DecodeBuf, Decoder, EncodeBuf, Encoder};
use tonic::transport::{Channel, Endpoint};

/// The deadline of a check. It is long because a busy machine or valgrind makes a target slow.
const DEADLINE: Duration = Duration::from_secs(10);

/// `HealthResponse { status: "ok" }`.
const HEALTHY: &[u8] = b"\x0a\x02ok";

fn main() {
    let addresses: Vec<SocketAddr> = std::env::args()
        .skip(1)
        .map(|address| address.parse().expect("must be an address"))
        .collect();
    let runtime = runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .expect("a runtime must start");
    match addresses[..] {
        [listen, backend] => runtime.block_on(serve(listen, backend)),
        [backend] => {
            let healthy = runtime.block_on(async { is_healthy(channel(backend)).await });
            assert!(healthy, "not healthy");
        }
        _ => panic!("floor [LISTEN] BACKEND"),
    }
}

async fn serve(listen: SocketAddr, backend: SocketAddr) {
    let listener = TcpListener::bind(listen).await.expect("must be free");
    let channel = channel(backend);
    loop {
        let Ok((stream, _)) = listener.accept().await else {
            continue;
        };
        let _ = stream.set_nodelay(true);
        let channel = channel.clone();
        let service = service_fn(move |request| answer(request, channel.clone()));
        tokio::spawn(async move {
            let _ = http1::Builder::new()
                .timer(TokioTimer::new())
                .serve_connection(TokioIo::new(stream), service)
                .await;
        });
    }
}

async fn answer(
    request: Request<Incoming>,
    channel: Channel,
) -> Result<Response<Full<Bytes>>, Infallible> {
    let (status, body) = if request.uri().path() != "/health" {
        (StatusCode::NOT_FOUND, "")
    } else {
        if is_healthy(channel).await {
            (StatusCode::OK, "OK")
        } else {
            (StatusCode::INTERNAL_SERVER_ERROR, "NOT_HEALTHY")
        }
    };
    let mut response = Response::new(Full::from(body));
    *response.status_mut() = status;
    Ok(response)
}

async fn is_healthy(channel: Channel) -> bool {
    let check = time::timeout(DEADLINE, check(channel)).await;
    matches!(check, Ok(Ok(message)) if message == HEALTHY)
}

async fn check(channel: Channel) -> Result<Bytes, Status> {
    let mut client = Grpc::new(channel);
    client
        .ready()
        .await
        .map_err(|error| Status::unavailable(error.to_string()))?;
    let path = PathAndQuery::from_static("/greeter.Debug/Health");
    let request = tonic::Request::new(Bytes::new());
    Ok(client.unary(request, path, Raw).await?.into_inner())
}

fn channel(backend: SocketAddr) -> Channel {
    let endpoint = Endpoint::from_shared(format!("http://{backend}")).expect("must be a URI");
    endpoint.connect_with_connector_lazy(tower::service_fn(move |_: Uri| async move {
        let stream = TcpStream::connect(backend).await?;
        stream.set_nodelay(true)?;
        Ok::<_, std::io::Error>(TokioIo::new(stream))
    }))
}

/// A codec that passes protobuf as bytes, without encoding or decoding.
#[derive(Clone, Copy, Default)]
struct Raw;

// === impl Raw ===

impl Codec for Raw {
    type Encode = Bytes;
    type Decode = Bytes;
    type Encoder = Self;
    type Decoder = Self;

    fn encoder(&mut self) -> Self {
        Self
    }

    fn decoder(&mut self) -> Self {
        Self
    }
}

impl Encoder for Raw {
    type Item = Bytes;
    type Error = Status;

    fn encode(&mut self, message: Bytes, to: &mut EncodeBuf<'_>) -> Result<(), Status> {
        to.put(message);
        Ok(())
    }
}

impl Decoder for Raw {
    type Item = Bytes;
    type Error = Status;

    fn decode(&mut self, from: &mut DecodeBuf<'_>) -> Result<Option<Bytes>, Status> {
        Ok(Some(from.copy_to_bytes(from.remaining())))
    }
}
