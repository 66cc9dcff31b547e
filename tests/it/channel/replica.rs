//! A replica of a Service, and the load on a channel to it.

use std::net::SocketAddr;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};

use http::Request;
use hyper::body::Incoming;
use hyper::service::service_fn;
use hyper_util::rt::{TokioExecutor, TokioIo};
use hyper_util::server::conn::auto;
use micro_health::resolver::channel::Channel;
use testkit::within;
use tokio::net::TcpListener;
use tokio::sync::watch;
use tokio::task::{JoinHandle, JoinSet};
use tonic::Status;
use tonic_health::pb::health_server::HealthServer;
use tonic_health::server::{HealthReporter, HealthService};
use tower_service::Service as _;

use super::call;

/// A server of grpc.health.v1. It finishes its calls when it is stopped.
pub struct Replica {
    pub address: SocketAddr,
    pub reporter: HealthReporter,
    /// The number of open connections.
    pub open: watch::Sender<usize>,
    /// Releases the first call, if that is held up.
    pub release: watch::Sender<bool>,
    pub stop: watch::Sender<bool>,
    calls: Arc<AtomicUsize>,
    watches: Arc<AtomicUsize>,
    serving: JoinHandle<()>,
}

/// A load of calls without a pause, from several callers.
pub struct Load {
    failed: Arc<Mutex<Vec<String>>>,
    answered: Arc<watch::Sender<usize>>,
    callers: JoinSet<()>,
}

/// The answer of a replica to each request.
#[derive(Clone)]
struct Answer {
    health: Option<HealthServer<HealthService>>,
    calls: Arc<AtomicUsize>,
    watches: Arc<AtomicUsize>,
    released: watch::Receiver<bool>,
}

// === impl Replica ===

impl Replica {
    pub async fn start() -> Self {
        Self::with(true, true).await
    }

    /// Starts a replica that holds up its first call, or does not.
    pub async fn released(is_released: bool) -> Self {
        Self::with(is_released, true).await
    }

    /// Starts a replica that serves no method.
    pub async fn without_health() -> Self {
        Self::with(true, false).await
    }

    async fn with(is_released: bool, has_health: bool) -> Self {
        let (release, released) = watch::channel(is_released);
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let reporter = HealthReporter::new();
        let health = HealthServer::new(HealthService::from_health_reporter(reporter.clone()));
        let answer = Answer {
            health: has_health.then_some(health),
            calls: Arc::default(),
            watches: Arc::default(),
            released,
        };
        let (calls, watches) = (Arc::clone(&answer.calls), Arc::clone(&answer.watches));
        let (stop, stopped) = watch::channel(false);
        let open = watch::Sender::new(0);
        let serving = tokio::spawn(serve(listener, answer, open.clone(), stopped));
        Self {
            address,
            reporter,
            open,
            release,
            stop,
            calls,
            watches,
            serving,
        }
    }

    /// Returns the number of requests, without health watches.
    pub fn calls(&self) -> usize {
        self.calls.load(Ordering::Relaxed)
    }

    /// Returns the number of health watches.
    pub fn watches(&self) -> usize {
        self.watches.load(Ordering::Relaxed)
    }

    pub async fn stop(self) {
        self.stop.send_replace(true);
        within("a replica to stop", self.serving).await.unwrap();
    }
}

async fn serve(
    listener: TcpListener,
    answer: Answer,
    open: watch::Sender<usize>,
    stopped: watch::Receiver<bool>,
) {
    let mut connections = JoinSet::new();
    let mut stopping = stopped.clone();
    loop {
        let stream = tokio::select! {
            accepted = listener.accept() => accepted.unwrap().0,
            _ = stopping.wait_for(|stop| *stop) => break,
        };
        let (answer, open, mut stopped) = (answer.clone(), open.clone(), stopped.clone());
        open.send_modify(|open| *open += 1);
        connections.spawn(async move {
            let answer = service_fn(move |request| answer.clone().to(request));
            let builder = auto::Builder::new(TokioExecutor::new()).http2_only();
            let connection = builder.serve_connection(TokioIo::new(stream), answer);
            tokio::pin!(connection);
            let is_over = tokio::select! {
                _ = connection.as_mut() => true,
                _ = stopped.wait_for(|stop| *stop) => false,
            };
            if !is_over {
                connection.as_mut().graceful_shutdown();
                let _ = connection.await;
            }
            open.send_modify(|open| *open -= 1);
        });
    }
    drop(listener);
    connections.join_all().await;
}

// === impl Answer ===

impl Answer {
    async fn to(
        mut self,
        request: Request<Incoming>,
    ) -> Result<http::Response<tonic::body::Body>, std::convert::Infallible> {
        if request.uri().path().ends_with("/Watch") {
            self.watches.fetch_add(1, Ordering::Relaxed);
        } else if self.calls.fetch_add(1, Ordering::Relaxed) == 0 {
            let _ = self.released.wait_for(|released| *released).await;
        }
        match &mut self.health {
            Some(health) => health.call(request).await,
            None => Ok(Status::unimplemented("").into_http()),
        }
    }
}

// === impl Load ===

impl Load {
    pub fn start(channel: &Channel, callers: usize) -> Self {
        let failed = Arc::<Mutex<Vec<String>>>::default();
        let answered = Arc::new(watch::Sender::new(0));
        let mut tasks = JoinSet::new();
        for _ in 0..callers {
            let (channel, failed) = (channel.clone(), Arc::clone(&failed));
            let answered = Arc::clone(&answered);
            tasks.spawn(async move {
                loop {
                    if let Err(status) = call(&channel).await {
                        failed.lock().unwrap().push(status.to_string());
                    }
                    answered.send_modify(|answered| *answered += 1);
                }
            });
        }
        Self {
            failed,
            answered,
            callers: tasks,
        }
    }

    /// Waits for this number of further answers.
    pub async fn answers(&self, more: usize) {
        let mut answered = self.answered.subscribe();
        let enough = *answered.borrow() + more;
        let reached = answered.wait_for(|answered| *answered >= enough);
        within("more answers", reached).await.unwrap();
    }

    /// Ends the load. Returns the number of answers, and the failures.
    pub async fn end(mut self) -> (usize, Vec<String>) {
        self.callers.shutdown().await;
        let failed = std::mem::take(&mut *self.failed.lock().unwrap());
        (*self.answered.borrow(), failed)
    }
}
