//! TLS and HTTP/2.

use std::convert::Infallible;
use std::sync::Arc;
use std::sync::atomic::Ordering;

use http::Request;
use hyper::body::Incoming;
use hyper::service::service_fn;
use hyper_util::rt::{TokioExecutor, TokioIo};
use hyper_util::server::conn::auto;
use rustls::ServerConfig;
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use tokio::net::TcpListener;
use tokio_rustls::TlsAcceptor;

use super::state::{State, lock};
use crate::pki::Authority;

/// The number of concurrent requests on one connection: kube-apiserver's default.
const STREAMS: u32 = 100;

/// Returns the PEM of a new authority, and the acceptor with its certificate.
pub(super) fn tls() -> (String, TlsAcceptor) {
    let authority = Authority::new("slice server");
    let pair = authority.issue(&["127.0.0.1"]);
    let certificate = CertificateDer::from_pem_slice(pair.cert.as_bytes());
    let key = PrivateKeyDer::from_pem_slice(pair.key.as_bytes());
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let mut config = ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .expect("ring must have the versions")
        .with_no_client_auth()
        .with_single_cert(
            vec![certificate.expect("it must be PEM")],
            key.expect("it must be PEM"),
        )
        .expect("the pair must belong together");
    config.alpn_protocols = vec![b"h2".to_vec()];
    (authority.pem(), TlsAcceptor::from(Arc::new(config)))
}

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
