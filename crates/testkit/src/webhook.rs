//! An admission webhook, as a service mesh or a policy engine has one.

use std::convert::Infallible;
use std::fmt;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use bytes::Bytes;
use http::{Request, Response};
use http_body_util::{BodyExt as _, Full};
use hyper::body::Incoming;
use hyper::service::service_fn;
use hyper_util::rt::{TokioExecutor, TokioIo};
use hyper_util::server::conn::auto;
use k8s_openapi::ByteString;
use serde_json::{Value, json};
use tokio::net::TcpListener;
use tokio::task::JoinSet;
use tokio_rustls::TlsAcceptor;

use crate::pki;

/// A running webhook, which speaks HTTP/2 over TLS. It ends with this value.
pub struct Webhook {
    /// The address on which it listens.
    pub address: SocketAddr,
    /// The certificate of its authority, in PEM.
    pub ca: String,
    reviews: Arc<AtomicUsize>,
    _serving: JoinSet<()>,
}

/// The answer of a webhook to one request.
#[derive(Clone, Debug)]
pub enum Verdict {
    /// The request is allowed as it is.
    Allowed,
    /// The request is allowed with this JSON patch.
    Changed(Value),
    /// The request is denied with this status and message.
    Denied(u16, &'static str),
}

/// The decision about the request of an `AdmissionReview`.
type Review = dyn Fn(&Value) -> Verdict + Send + Sync;

// === impl Webhook ===

impl Webhook {
    /// Starts a webhook with this decision.
    pub async fn start(review: impl Fn(&Value) -> Verdict + Send + Sync + 'static) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await;
        let listener = listener.expect("loopback must be free");
        let address = listener.local_addr().expect("it must be bound");
        let (ca, acceptor) = pki::acceptor("webhook");
        let reviews = Arc::<AtomicUsize>::default();
        let mut serving = JoinSet::new();
        serving.spawn(accept(
            listener,
            acceptor,
            Arc::new(review),
            Arc::clone(&reviews),
        ));
        Self {
            address,
            ca,
            reviews,
            _serving: serving,
        }
    }

    /// Returns the number of requests that it has reviewed.
    pub fn reviews(&self) -> usize {
        self.reviews.load(Ordering::Relaxed)
    }
}

impl fmt::Debug for Webhook {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Webhook")
            .field("address", &self.address)
            .finish_non_exhaustive()
    }
}

async fn accept(
    listener: TcpListener,
    acceptor: TlsAcceptor,
    review: Arc<Review>,
    reviews: Arc<AtomicUsize>,
) {
    let mut open = JoinSet::new();
    while let Ok((stream, _)) = listener.accept().await {
        let (acceptor, review) = (acceptor.clone(), Arc::clone(&review));
        let reviews = Arc::clone(&reviews);
        open.spawn(async move {
            let Ok(stream) = acceptor.accept(stream).await else {
                return;
            };
            let answer = service_fn(move |request: Request<Incoming>| {
                let (review, reviews) = (Arc::clone(&review), Arc::clone(&reviews));
                async move {
                    let body = request.into_body().collect().await;
                    let body = body.map(http_body_util::Collected::to_bytes);
                    let answer = answer(&body.unwrap_or_default(), &*review);
                    reviews.fetch_add(1, Ordering::Relaxed);
                    let answer = Full::new(Bytes::from(answer.to_string()));
                    Ok::<_, Infallible>(Response::new(answer))
                }
            });
            let builder = auto::Builder::new(TokioExecutor::new()).http2_only();
            let _ = builder.serve_connection(TokioIo::new(stream), answer).await;
        });
    }
}

/// Returns the `AdmissionReview` that answers another one.
fn answer(body: &[u8], review: &Review) -> Value {
    let asked: Value = serde_json::from_slice(body).unwrap_or_default();
    let request = &asked["request"];
    let mut response = json!({ "uid": request["uid"], "allowed": true });
    match review(request) {
        Verdict::Allowed => {}
        Verdict::Changed(patch) => {
            response["patchType"] = "JSONPatch".into();
            response["patch"] = json!(ByteString(patch.to_string().into_bytes()));
        }
        Verdict::Denied(code, message) => {
            response["allowed"] = false.into();
            response["status"] = json!({ "code": code, "message": message });
        }
    }
    json!({ "apiVersion": asked["apiVersion"], "kind": asked["kind"], "response": response })
}
