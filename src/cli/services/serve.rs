//! The registry's read API over HTTP, for clients of Amalgam8 such as `a8ctl`.
//!
//! Every client that can reach the port may read: tokens of the registry are ignored.

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

/// The time limit for a request head, and for an idle connection.
const HEADERS: Duration = Duration::from_secs(5);

/// The largest request head: 8 KiB, the least that hyper allows.
const HEAD: usize = 8 << 10;

/// The headers with the request's id in an answer: the one that clients read, and the one that
/// v0.3 and v0.4 send.
const REQUEST_ID: [HeaderName; 2] = [
    HeaderName::from_static("sd-request-id"),
    HeaderName::from_static("request_id"),
];

/// The registry, shared by all connections.
#[derive(Debug)]
struct Registry {
    services: watch::Receiver<Services>,
    /// The prefix of request ids: ten letters.
    name: String,
    requests: AtomicU64,
}

/// Answers requests with the current services until it is dropped.
pub(crate) async fn serve(
    listener: TcpListener,
    services: watch::Receiver<Services>,
) -> Infallible {
    let registry = Arc::new(Registry {
        services,
        name: iter::repeat_with(fastrand::lowercase).take(10).collect(),
        requests: AtomicU64::new(0),
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

/// Serves one connection until it ends.
async fn answer(stream: TcpStream, registry: Arc<Registry>, activity: Arc<Activity>) {
    let _ = stream.set_nodelay(true);
    let service = service_fn(move |request| {
        // HTTP/1.1 has one request at a time, and the answer needs no wait.
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

    /// Returns an id: the prefix, the time in nanoseconds and the number of requests.
    fn next_id(&self) -> HeaderValue {
        let requests = self.requests.fetch_add(1, Ordering::Relaxed) + 1;
        let now = SystemTime::now().duration_since(UNIX_EPOCH);
        let now = now.unwrap_or_default().as_nanos();
        let id = HeaderValue::try_from(format!("{}_{now}_{requests}", self.name));
        id.expect("letters and digits must make a header")
    }
}
