//! The registry's read API over HTTP, for clients of Amalgam8 such as `a8ctl`.
//!
//! Anybody who can reach the port may read: the registry's tokens mean nothing here.

use std::convert::Infallible;
use std::iter;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use bytes::Bytes;
use http::header::{CONTENT_TYPE, HeaderName};
use http::{HeaderValue, Request, Response};
use http_body_util::Full;
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use tracing::debug;

use crate::catalog::routes;
use crate::catalog::services::Services;
use crate::net::connections::{self, Activity, Connections};
use crate::net::descriptors;

/// Time for a request head to arrive, and for an idle connection to ask again.
const HEADERS: Duration = Duration::from_secs(5);

/// Largest request head: hyper's least.
const HEAD: usize = 8 << 10;

/// The headers that name a request in the registry's answer: the one that its clients know,
/// and the one that v0.3 and v0.4 do send.
const REQUEST_ID: [HeaderName; 2] = [
    HeaderName::from_static("sd-request-id"),
    HeaderName::from_static("request_id"),
];

/// Whatever answers share.
#[derive(Debug)]
struct Registry {
    services: watch::Receiver<Services>,
    /// The beginning of its request ids: ten letters.
    name: String,
    asked: AtomicU64,
}

/// Answers with the services of the moment until it is dropped.
pub async fn serve(listener: TcpListener, services: watch::Receiver<Services>) -> Infallible {
    let registry = Arc::new(Registry {
        services,
        name: iter::repeat_with(fastrand::lowercase).take(10).collect(),
        asked: AtomicU64::new(0),
    });
    let mut connections = Connections::new(connections::limit(descriptors::limit(), 0));
    loop {
        connections.wait_for_room().await;
        let accepted = tokio::select! {
            accepted = listener.accept() => accepted,
            () = connections.join_next() => continue,
        };
        match accepted {
            Ok((stream, client)) => {
                let registry = Arc::clone(&registry);
                connections.spawn(client.ip(), |activity| answer(stream, registry, activity));
            }
            Err(error) => connections.accept_failed(&error).await,
        }
    }
}

/// Serves one connection to its end.
async fn answer(stream: TcpStream, registry: Arc<Registry>, activity: Arc<Activity>) {
    let _ = stream.set_nodelay(true);
    let service = service_fn(move |request| {
        // One at a time on HTTP/1.1, and answered without a wait.
        let _request = activity.open();
        let response = registry.answer(&request);
        async move { Ok::<_, Infallible>(response) }
    });
    let ended = http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(HEADERS)
        .max_buf_size(HEAD)
        .half_close(true)
        .serve_connection(TokioIo::new(stream), service)
        .await;
    if let Err(error) = ended {
        debug!(%error, "A connection ended");
    }
}

// === impl Registry ===

impl Registry {
    fn answer(&self, request: &Request<Incoming>) -> Response<Full<Bytes>> {
        let uri = request.uri();
        let (status, body) = {
            let services = self.services.borrow();
            routes::answer(request.method(), uri.path(), uri.query(), &services)
        };
        let mut response = Response::new(Full::new(Bytes::from(body)));
        *response.status_mut() = status;
        let headers = response.headers_mut();
        let json = HeaderValue::from_static("application/json; charset=utf-8");
        headers.insert(CONTENT_TYPE, json);
        let id = self.next_id();
        for name in REQUEST_ID {
            headers.insert(name, id.clone());
        }
        response
    }

    /// Its name, the time in nanoseconds, and how many requests there were.
    fn next_id(&self) -> HeaderValue {
        let asked = self.asked.fetch_add(1, Ordering::Relaxed) + 1;
        let now = SystemTime::now().duration_since(UNIX_EPOCH);
        let now = now.unwrap_or_default().as_nanos();
        let id = HeaderValue::try_from(format!("{}_{now}_{asked}", self.name));
        id.expect("letters and digits must make a header")
    }
}
