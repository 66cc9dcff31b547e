//! A client that does not ask for watch after watch.
//!
//! kube's watcher asks again at once when a watch ends, which is right after the minutes
//! that one usually lasts. A proxy that ends them at once would be asked as fast as it
//! answers: Go's clients of 2016 to 2018 did that, and took a whole processor for it.

use std::future::Future;
use std::pin::Pin;
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll};
use std::time::Duration;

use http::{Request, Response, Uri};
use kube::Client;
use kube::client::Body;
use tokio::time::{self, Instant};

/// The least time between two watches: what anything is late by after a watch of normal
/// length has ended is nothing.
const PAUSE: Duration = Duration::from_secs(1);

/// The same client, with a second between the starts of its watches.
pub(crate) fn paced(client: Client) -> Client {
    let namespace = client.default_namespace().to_owned();
    let pace = Pace::default();
    Client::new(Paced { client, pace }, namespace)
}

/// Whether a request begins a watch.
pub(crate) fn is_watch(uri: &Uri) -> bool {
    let query = uri.query().unwrap_or_default();
    query
        .split('&')
        .any(|pair| matches!(pair, "watch=true" | "watch=1"))
}

/// When watches may start, for all clones alike.
#[derive(Clone, Debug, Default)]
pub(crate) struct Pace {
    last: Arc<Mutex<Option<Instant>>>,
}

#[derive(Clone)]
struct Paced {
    client: Client,
    pace: Pace,
}

// === impl Pace ===

impl Pace {
    /// Resolves when this request may be sent: at once, unless it begins a watch.
    pub(crate) async fn turn(&self, uri: &Uri) {
        if is_watch(uri) {
            time::sleep_until(self.next()).await;
        }
    }

    /// When the next watch may start, which is then taken.
    fn next(&self) -> Instant {
        let mut last = self.last.lock().unwrap_or_else(PoisonError::into_inner);
        let now = Instant::now();
        let turn = last.map_or(now, |last| now.max(last + PAUSE));
        *last = Some(turn);
        turn
    }
}

// === impl Paced ===

impl tower_service::Service<Request<Body>> for Paced {
    type Response = Response<Body>;
    type Error = kube::Error;
    type Future = Pin<Box<dyn Future<Output = Result<Response<Body>, kube::Error>> + Send>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), kube::Error>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: Request<Body>) -> Self::Future {
        let paced = self.clone();
        Box::pin(async move {
            paced.pace.turn(request.uri()).await;
            paced.client.send(request).await
        })
    }
}
