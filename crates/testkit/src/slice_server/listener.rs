//! The listener, which speaks HTTP/2 over TLS.

use std::convert::Infallible;
use std::sync::Arc;
use std::sync::atomic::Ordering;

use http::Request;
use hyper::body::Incoming;
use hyper::service::service_fn;
use hyper_util::rt::{TokioExecutor, TokioIo};
use hyper_util::server::conn::auto;
use tokio::net::TcpListener;
use tokio_rustls::TlsAcceptor;

use super::state::{State, lock};

/// The number of concurrent requests on one connection: kube-apiserver's default.
const STREAMS: u32 = 100;

/// Serves every connection.
pub(super) async fn accept(listener: TcpListener, acceptor: TlsAcceptor, state: Arc<State>) {
    while let Ok((stream, _)) = listener.accept().await {
        let (acceptor, state) = (acceptor.clone(), Arc::clone(&state));
        state.connections.fetch_add(1, Ordering::Relaxed);
        let _ = stream.set_nodelay(true);
        let of = Arc::clone(&state);
        lock(&of.open).spawn(async move {
            let Ok(stream) = acceptor.accept(stream).await else {
                return;
            };
            let answer = service_fn(move |request: Request<Incoming>| {
                let answer = state.answer(&request);
                async move { Ok::<_, Infallible>(answer) }
            });
            let mut builder = auto::Builder::new(TokioExecutor::new()).http2_only();
            builder.http2().max_concurrent_streams(STREAMS);
            let _ = builder.serve_connection(TokioIo::new(stream), answer).await;
        });
    }
}
