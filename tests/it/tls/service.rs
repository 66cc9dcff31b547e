//! Services over TLS that can change their certificates while they run.

use std::net::SocketAddr;
use std::sync::{Arc, Mutex};

use http::Request;
use hyper::body::Incoming;
use hyper::service::service_fn;
use hyper_util::rt::{TokioExecutor, TokioIo};
use hyper_util::server::conn::auto;
use micro_health::debug;
use rustls::crypto::ring;
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::server::WebPkiClientVerifier;
use rustls::{HandshakeKind, RootCertStore, ServerConfig, SupportedProtocolVersion};
use testkit::pki::Pair;
use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _};
use tokio::net::TcpListener;
use tokio::task::{JoinHandle, JoinSet};
use tokio_rustls::TlsAcceptor;
use tower_service::Service as _;

/// The protocol of a service.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Wire {
    Grpc,
    Mucp,
}

/// The TLS configuration of a service.
#[derive(Clone, Debug)]
pub struct Serve<'a> {
    pub pair: &'a Pair,
    pub alpn: &'a [&'a str],
    /// The authorities of client certificates in PEM, if one is required.
    pub client_ca: Option<&'a str>,
    pub versions: &'a [&'static SupportedProtocolVersion],
}

/// A service on loopback.
#[derive(Debug)]
pub struct Service {
    pub address: SocketAddr,
    config: Arc<Mutex<Option<Arc<ServerConfig>>>>,
    open: Arc<Mutex<JoinSet<()>>>,
    handshakes: Arc<Mutex<Vec<HandshakeKind>>>,
    accepting: JoinHandle<()>,
}

const WELL: &[u8] =
    b"HTTP/1.1 200 OK\r\nContent-Length: 48\r\nContent-Type: application/json-rpc\r\n\r\n\
    {\"id\":\"1\",\"result\":{\"status\":\"ok\"},\"error\":null}";

// === impl Wire ===

impl Wire {
    pub const ALL: [Self; 2] = [Self::Grpc, Self::Mucp];

    pub fn name(self) -> &'static str {
        match self {
            Self::Grpc => "grpc",
            Self::Mucp => "mucp",
        }
    }

    pub fn alpn(self) -> &'static str {
        match self {
            Self::Grpc => "h2",
            Self::Mucp => "http/1.1",
        }
    }

    async fn serve<T: AsyncRead + AsyncWrite + Send + Unpin + 'static>(
        self,
        mut stream: T,
        debug: debug::DebugService,
    ) {
        match self {
            Self::Grpc => {
                let service =
                    service_fn(move |request: Request<Incoming>| debug.clone().call(request));
                let builder = auto::Builder::new(TokioExecutor::new()).http2_only();
                let connection = builder.serve_connection(TokioIo::new(stream), service);
                let _ = connection.await;
            }
            // Anything but a request is answered in HTTP, as Go does.
            Self::Mucp => {
                let mut received = Vec::new();
                while stream.read_buf(&mut received).await.is_ok_and(|n| n > 0) {
                    if received.ends_with(b"}") {
                        let _ = stream.write_all(WELL).await;
                        received.clear();
                    } else if received.first() != Some(&b'P') {
                        let _ = stream.write_all(b"HTTP/1.1 400 Bad Request\r\n\r\n").await;
                        return;
                    }
                }
            }
        }
    }
}

// === impl Serve ===

impl<'a> Serve<'a> {
    pub fn new(pair: &'a Pair) -> Self {
        Self {
            pair,
            alpn: &[],
            client_ca: None,
            versions: rustls::ALL_VERSIONS,
        }
    }

    fn config(&self) -> ServerConfig {
        let provider = Arc::new(ring::default_provider());
        let builder = ServerConfig::builder_with_provider(Arc::clone(&provider))
            .with_protocol_versions(self.versions)
            .unwrap();
        let builder = match self.client_ca {
            None => builder.with_no_client_auth(),
            Some(pem) => {
                let mut roots = RootCertStore::empty();
                for root in certificates(pem) {
                    roots.add(root).unwrap();
                }
                let verifier =
                    WebPkiClientVerifier::builder_with_provider(Arc::new(roots), provider);
                builder.with_client_cert_verifier(verifier.build().unwrap())
            }
        };
        let key = PrivateKeyDer::from_pem_slice(self.pair.key.as_bytes()).unwrap();
        let chain = certificates(&self.pair.cert);
        let mut config = builder.with_single_cert(chain, key).unwrap();
        config.alpn_protocols = self
            .alpn
            .iter()
            .map(|alpn| alpn.as_bytes().into())
            .collect();
        config
    }
}

fn certificates(pem: &str) -> Vec<CertificateDer<'static>> {
    CertificateDer::pem_slice_iter(pem.as_bytes())
        .collect::<Result<_, _>>()
        .unwrap()
}

// === impl Service ===

impl Service {
    pub async fn plain(wire: Wire) -> Self {
        Self::with(wire, None).await
    }

    pub async fn start(wire: Wire, serve: &Serve<'_>) -> Self {
        Self::with(wire, Some(Arc::new(serve.config()))).await
    }

    async fn with(wire: Wire, config: Option<Arc<ServerConfig>>) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let config = Arc::new(Mutex::new(config));
        let open = Arc::<Mutex<JoinSet<()>>>::default();
        let handshakes = Arc::<Mutex<Vec<HandshakeKind>>>::default();
        let accepting = tokio::spawn({
            let (config, open) = (Arc::clone(&config), Arc::clone(&open));
            let handshakes = Arc::clone(&handshakes);
            let (_health, debug) = debug::service();
            async move {
                while let Ok((stream, _)) = listener.accept().await {
                    let (config, debug) = (config.lock().unwrap().clone(), debug.clone());
                    let handshakes = Arc::clone(&handshakes);
                    open.lock().unwrap().spawn(async move {
                        match config {
                            None => wire.serve(stream, debug).await,
                            Some(config) => {
                                if let Ok(stream) = TlsAcceptor::from(config).accept(stream).await {
                                    let kind = stream.get_ref().1.handshake_kind();
                                    handshakes.lock().unwrap().extend(kind);
                                    wire.serve(stream, debug).await;
                                }
                            }
                        }
                    });
                }
            }
        });
        Self {
            address,
            config,
            open,
            handshakes,
            accepting,
        }
    }

    /// Returns the finished handshakes, in order.
    pub fn handshakes(&self) -> Vec<HandshakeKind> {
        self.handshakes.lock().unwrap().clone()
    }

    /// Restarts with another configuration. The old connections are cut.
    pub async fn becomes(&self, serve: &Serve<'_>) {
        *self.config.lock().unwrap() = Some(Arc::new(serve.config()));
        let mut open = std::mem::take(&mut *self.open.lock().unwrap());
        open.shutdown().await;
    }
}

impl Drop for Service {
    fn drop(&mut self) {
        self.accepting.abort();
    }
}
