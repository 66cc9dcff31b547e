//! A client that limits the rate of watches and reports when one begins.
//!
//! kube's watcher takes up a broken watch where it was without a word, so that nobody
//! would know the API server is back until something changes.

use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use http::{Request, Response};
use kube::Client;
use kube::client::Body;
use tokio::sync::watch;

use crate::cluster::watch_rate::{WatchRate, is_watch};

#[derive(Clone)]
struct BeginReporter {
    client: Client,
    rate: WatchRate,
    begun: Arc<watch::Sender<()>>,
}

/// Returns the client for the watch of one Service, and the signal that changes whenever a watch of
/// it has begun.
pub(super) fn reporting_begins(client: Client) -> (Client, watch::Receiver<()>) {
    let namespace = client.default_namespace().to_owned();
    let (begun, begins) = watch::channel(());
    let reporter = BeginReporter {
        client,
        // Not a client of its own: each has a queue, which would be half of what a
        // Service costs.
        rate: WatchRate::default(),
        begun: Arc::new(begun),
    };
    (Client::new(reporter, namespace), begins)
}

// === impl BeginReporter ===

impl tower_service::Service<Request<Body>> for BeginReporter {
    type Response = Response<Body>;
    type Error = kube::Error;
    type Future = Pin<Box<dyn Future<Output = Result<Response<Body>, kube::Error>> + Send>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), kube::Error>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: Request<Body>) -> Self::Future {
        let reporter = self.clone();
        Box::pin(async move {
            let is_watch = is_watch(request.uri());
            reporter.rate.wait(request.uri()).await;
            let response = reporter.client.send(request).await?;
            if is_watch && response.status().is_success() {
                reporter.begun.send_replace(());
            }
            Ok(response)
        })
    }
}
