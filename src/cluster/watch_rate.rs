//! A client that limits the rate at which watches start.
//!
//! The watcher of kube starts a new watch at once when a watch ends. After a watch of normal
//! length, which is minutes, this is right. A proxy that ends each watch at once would receive
//! requests as fast as it answers. The Go clients of 2016 to 2018 did that, and used a whole
//! processor.

use std::future::Future;
use std::pin::Pin;
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll};
use std::time::Duration;

use http::{Request, Response, Uri};
use kube::Client;
use kube::client::Body;
use tokio::time::{self, Instant};

/// The minimum time between the starts of two watches. After a watch of normal length it causes
/// no delay.
const MIN_INTERVAL: Duration = Duration::from_secs(1);

/// Returns a client that starts at most one watch per second.
pub(crate) fn limit_watch_rate(client: Client) -> Client {
    let namespace = client.default_namespace().to_owned();
    let rate = WatchRate::default();
    Client::new(RateLimited { client, rate }, namespace)
}

/// Tells whether a request begins a watch.
pub(crate) fn is_watch(uri: &Uri) -> bool {
    let query = uri.query().unwrap_or_default();
    query
        .split('&')
        .any(|pair| matches!(pair, "watch=true" | "watch=1"))
}

/// A limit on the rate at which watches start, which all clones share.
#[derive(Clone, Debug, Default)]
pub(crate) struct WatchRate {
    last: Arc<Mutex<Option<Instant>>>,
}

#[derive(Clone)]
struct RateLimited {
    client: Client,
    rate: WatchRate,
}

// === impl WatchRate ===

impl WatchRate {
    /// Waits until this request may be sent. Returns at once unless it begins a watch.
    pub(crate) async fn wait(&self, uri: &Uri) {
        if is_watch(uri) {
            time::sleep_until(self.reserve()).await;
        }
    }

    /// Reserves the start of the next watch, and returns its time.
    fn reserve(&self) -> Instant {
        let mut last = self.last.lock().unwrap_or_else(PoisonError::into_inner);
        let now = Instant::now();
        let start = last.map_or(now, |last| now.max(last + MIN_INTERVAL));
        *last = Some(start);
        start
    }
}

// === impl RateLimited ===

impl tower_service::Service<Request<Body>> for RateLimited {
    type Response = Response<Body>;
    type Error = kube::Error;
    type Future = Pin<Box<dyn Future<Output = Result<Response<Body>, kube::Error>> + Send>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), kube::Error>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: Request<Body>) -> Self::Future {
        let limited = self.clone();
        Box::pin(async move {
            limited.rate.wait(request.uri()).await;
            limited.client.send(request).await
        })
    }
}
