//! A client that tells when a watch begins, and that does not ask for watch after watch.
//!
//! kube's watcher takes up a broken watch where it was without a word, so that nobody
//! would know the API server is back until something changes. And it asks again at once
//! when a watch ends, which behind a proxy that ends them at once would be all it does.

use std::future::Future;
use std::pin::Pin;
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll};
use std::time::Duration;

use http::{Request, Response};
use kube::Client;
use kube::client::Body;
use tokio::sync::watch;
use tokio::time::{self, Instant};

/// The least time between the beginnings of two watches.
const PAUSE: Duration = Duration::from_secs(1);

#[derive(Clone)]
struct Told {
    client: Client,
    begun: Arc<watch::Sender<()>>,
    last: Arc<Mutex<Option<Instant>>>,
}

/// The same client, for the watch of one Service, and what changes whenever a watch of
/// it has begun.
pub(super) fn told(client: Client) -> (Client, watch::Receiver<()>) {
    let namespace = client.default_namespace().to_owned();
    let (begun, begins) = watch::channel(());
    let told = Told {
        client,
        begun: Arc::new(begun),
        last: Arc::default(),
    };
    (Client::new(told, namespace), begins)
}

// === impl Told ===

impl Told {
    /// When the next watch may begin, which is then taken.
    fn turn(&self) -> Instant {
        let mut last = self.last.lock().unwrap_or_else(PoisonError::into_inner);
        let now = Instant::now();
        let turn = last.map_or(now, |last| now.max(last + PAUSE));
        *last = Some(turn);
        turn
    }
}

impl tower_service::Service<Request<Body>> for Told {
    type Response = Response<Body>;
    type Error = kube::Error;
    type Future = Pin<Box<dyn Future<Output = Result<Response<Body>, kube::Error>> + Send>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), kube::Error>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: Request<Body>) -> Self::Future {
        let told = self.clone();
        Box::pin(async move {
            let query = request.uri().query().unwrap_or_default();
            let is_watch = query.split('&').any(|pair| pair == "watch=true");
            if is_watch {
                time::sleep_until(told.turn()).await;
            }
            let response = told.client.send(request).await?;
            if is_watch && response.status().is_success() {
                told.begun.send_replace(());
            }
            Ok(response)
        })
    }
}
