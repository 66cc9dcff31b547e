//! A connection that goes silent is not used again, over HTTP/1.1 and HTTP/2.

use std::convert::Infallible;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use futures_util::StreamExt as _;
use http_body_util::combinators::BoxBody;
use http_body_util::{BodyExt as _, Full, StreamBody};
use hyper::service::service_fn;
use hyper_util::rt::{TokioExecutor, TokioIo};
use hyper_util::server::conn::auto;
use rustls::ServerConfig;
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use tempfile::TempDir;
use testkit::pki::Authority;
use tokio::sync::Notify;
use tokio_rustls::TlsAcceptor;

use super::*;
use crate::cluster::credentials::CredentialOverrides;

/// The behaviour of the first connection after its first answer.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum Fault {
    Head,
    Body,
}

/// A server whose first connection goes silent, and a client.
struct World {
    client: kube::Client,
    connections: Arc<AtomicUsize>,
    /// Is notified of each request that is not answered.
    silent: Arc<Notify>,
    _account: TempDir,
}

type Answer = Response<BoxBody<Bytes, Infallible>>;

fn complete() -> Answer {
    Response::new(Full::from("{}").boxed())
}

/// Returns the beginning of an answer.
fn half() -> Answer {
    let first = futures_util::stream::once(async { Ok(Frame::data(Bytes::from("{"))) });
    let stream = first.chain(futures_util::stream::pending());
    Response::new(BoxBody::new(StreamBody::new(stream)))
}

async fn answer(
    connection: usize,
    request: usize,
    fault: Fault,
    silent: Arc<Notify>,
) -> Result<Answer, Infallible> {
    match (connection, request, fault) {
        (0, 1.., Fault::Head) => {
            silent.notify_one();
            std::future::pending().await
        }
        (0, 1.., Fault::Body) => Ok(half()),
        _ => Ok(complete()),
    }
}

/// Writes the files of a service account. Returns the acceptor of its API server.
fn account(folder: &TempDir) -> TlsAcceptor {
    let authority = Authority::new("a");
    let pair = authority.issue(&["127.0.0.1"]);
    // The bundle has a certificate that cannot be used.
    let bad = "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n";
    for (name, text) in [
        ("token", "t"),
        ("ca.crt", &(bad.to_owned() + &authority.pem())),
    ] {
        std::fs::write(folder.path().join(name), text).unwrap();
    }
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let mut config = ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_no_client_auth()
        .with_single_cert(
            vec![CertificateDer::from_pem_slice(pair.cert.as_bytes()).unwrap()],
            PrivateKeyDer::from_pem_slice(pair.key.as_bytes()).unwrap(),
        )
        .unwrap();
    config.alpn_protocols = vec![b"h2".to_vec()];
    TlsAcceptor::from(Arc::new(config))
}

// === impl World ===

impl World {
    async fn start(is_http2: bool, fault: Fault) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let acceptor = account(&folder);
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let connections = Arc::new(AtomicUsize::new(0));
        let silent = Arc::new(Notify::new());
        let (count, notified) = (Arc::clone(&connections), Arc::clone(&silent));
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                let connection = count.fetch_add(1, Ordering::SeqCst);
                let (acceptor, requests) = (acceptor.clone(), AtomicUsize::new(0));
                let notified = Arc::clone(&notified);
                tokio::spawn(async move {
                    let (requests, notified) = (&requests, &notified);
                    let service = service_fn(move |_| {
                        let request = requests.fetch_add(1, Ordering::SeqCst);
                        answer(connection, request, fault, Arc::clone(notified))
                    });
                    let builder = auto::Builder::new(TokioExecutor::new());
                    if is_http2 {
                        let stream = acceptor.accept(stream).await.unwrap();
                        let _ = builder
                            .serve_connection(TokioIo::new(stream), service)
                            .await;
                    } else {
                        let _ = builder
                            .serve_connection(TokioIo::new(stream), service)
                            .await;
                    }
                });
            }
        });
        let (scheme, credentials) = if is_http2 {
            let credentials = Credentials::with(folder.path(), CredentialOverrides::default());
            ("https", Some(credentials.unwrap()))
        } else {
            ("http", None)
        };
        let server = format!("{scheme}://{address}").parse().unwrap();
        Self {
            client: kube::Client::new(Service::new(server, credentials), "default"),
            connections,
            silent,
            _account: folder,
        }
    }

    /// Sends a request and gives it up after this time. Returns whether it was answered.
    async fn asks(&self, patience: Duration) -> bool {
        let request = Request::get("/pods").body(Vec::new()).unwrap();
        let answer = request::send::<Value>(&self.client, request);
        time::timeout(patience, answer)
            .await
            .is_ok_and(|answer| answer.is_ok())
    }

    /// Sends a request that is not answered, and gives it up after this time. Returns the time that
    /// it took.
    async fn asks_in_vain(&self, patience: Duration) -> Duration {
        let begun = Instant::now();
        let asking = self.asks(patience);
        tokio::pin!(asking);
        tokio::select! {
            answered = &mut asking => panic!("{answered}"),
            () = self.silent.notified() => {}
        }
        // Nothing else arrives, so that the time may pass at once.
        time::pause();
        assert!(!asking.await);
        time::resume();
        begun.elapsed()
    }

    fn connections(&self) -> usize {
        self.connections.load(Ordering::SeqCst)
    }
}

const MINUTE: Duration = Duration::from_mins(1);

#[tokio::test]
async fn a_request_that_timed_out_retires_its_connection() {
    for is_http2 in [false, true] {
        let world = World::start(is_http2, Fault::Head).await;
        assert!(world.asks(MINUTE).await, "HTTP/2: {is_http2}");
        assert_eq!(world.asks_in_vain(MINUTE).await.as_secs(), 10);
        assert_eq!(world.connections(), 1);
        for _ in 0..3 {
            assert!(world.asks(MINUTE).await, "HTTP/2: {is_http2}");
        }
        assert_eq!(world.connections(), 2);
    }
}

#[tokio::test]
async fn a_caller_that_waits_in_vain_retires_its_connection() {
    for is_http2 in [false, true] {
        let world = World::start(is_http2, Fault::Head).await;
        assert!(world.asks(MINUTE).await);
        world.asks_in_vain(Duration::from_secs(2)).await;
        assert!(world.asks(MINUTE).await);
        assert_eq!(world.connections(), 2);
    }
}

#[tokio::test]
async fn an_answer_that_stops_in_the_middle_retires_its_connection() {
    for is_http2 in [false, true] {
        let world = World::start(is_http2, Fault::Body).await;
        assert!(world.asks(MINUTE).await);
        assert!(!world.asks(Duration::from_millis(1100)).await);
        assert!(world.asks(MINUTE).await, "HTTP/2: {is_http2}");
        assert_eq!(world.connections(), 2);
    }
}

#[tokio::test]
async fn a_request_that_is_dropped_early_keeps_its_connection() {
    let world = World::start(true, Fault::Head).await;
    assert!(world.asks(MINUTE).await);
    for _ in 0..2 {
        world.asks_in_vain(Duration::from_millis(900)).await;
    }
    assert_eq!(world.connections(), 1);
}

#[tokio::test]
async fn requests_that_wait_together_retire_one_connection() {
    let world = World::start(true, Fault::Head).await;
    assert!(world.asks(MINUTE).await);
    let asking = (0..20).map(|_| world.asks(Duration::from_secs(2)));
    let answered = futures_util::future::join_all(asking).await;
    assert!(answered.iter().all(|answered| !answered));
    let asking = (0..20).map(|_| world.asks(MINUTE));
    let answered = futures_util::future::join_all(asking).await;
    assert!(answered.iter().all(|answered| *answered));
    assert_eq!(world.connections(), 2);
}
