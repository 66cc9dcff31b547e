//! HTTP for those who probe: accept, limits, drain. HTTP/1.1 and h2c on one port.

use std::convert::Infallible;
use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use futures_util::FutureExt as _;
use hyper::service::service_fn;
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use hyper_util::server::conn::auto;
use hyper_util::server::graceful::{GracefulShutdown, Watcher};
use tokio::net::{TcpListener, TcpStream};
use tokio::time;
use tracing::{debug, warn};

use self::connections::{Activity, Connections};
use self::prober::Prober;
use crate::fair::Fair;
use crate::monitor::Monitor;
use crate::targets::Targets;

pub mod connections;
pub mod grpc;
pub mod listener;
pub mod metrics;
pub mod options;
pub mod prestop;
pub mod prober;
pub mod process;
pub mod routes;
pub mod status_page;

/// Time for a request head to arrive, and for an idle connection to ask again.
const HEADERS: Duration = Duration::from_secs(2);

/// Largest request head: hyper's least, and many times a probe's.
const HEAD: u16 = 8 << 10;

/// Requests at a time on one HTTP/2 connection: a Watch for each service of a pod, and a few Checks. A flood
/// holds that many on every connection, at 4 kB each.
const STREAMS: u32 = 8;

/// What a request's body may have in flight; a `HealthCheckRequest` is a service's name.
const BODY: u32 = 4 << 10;

/// What an answer may have in flight on one stream; the longest is a page of 10 KiB.
const SEND_BUFFER: usize = 16 << 10;

/// Wait after a failed accept. It fails when descriptors run out, and retrying at
/// once would spin.
const ACCEPT_BACKOFF: Duration = Duration::from_millis(100);

/// A listener that holds its port; nothing is answered yet.
#[derive(Debug)]
pub struct Server {
    listener: TcpListener,
    prober: Arc<Prober>,
}

// === impl Server ===

impl Server {
    /// Takes the port.
    ///
    /// # Errors
    ///
    /// Those of the system: above all a taken port.
    pub async fn bind(
        options: &options::Options,
        targets: Targets,
        monitors: Arc<[Monitor]>,
        registration: Option<prober::Registration>,
    ) -> io::Result<Self> {
        let listener = listener::listen(&options.health_address).await?;
        let prober = Arc::new(Prober::new(targets, monitors, options, registration));
        Ok(Self { listener, prober })
    }

    /// Where it listens: the port that was chosen, if the flag said 0.
    pub fn local_addr(&self) -> io::Result<SocketAddr> {
        self.listener.local_addr()
    }

    /// For whoever knows earlier than `stop` that the pod goes.
    pub fn prober(&self) -> Arc<Prober> {
        Arc::clone(&self.prober)
    }

    /// Answers probes until `stop`. Then not ready, but still answering while any
    /// request is in flight; then closes, letting what is in flight finish.
    pub async fn run(self, stop: impl Future<Output = ()>) {
        let mut connections = Connections::default();
        let graceful = GracefulShutdown::new();
        self.accept_until(stop, &mut connections, &graceful).await;
        self.prober.drain();
        // A request in flight takes at most one check; those that come later are
        // finished below.
        let quiet = time::timeout(self.prober.longest(), connections.quiet());
        self.accept_until(quiet, &mut connections, &graceful).await;
        self.accept_waiting(&mut connections, &graceful).await;
        drop(self.listener);
        // Who is left then does not read its answer, or never ends its HTTP/2.
        let _ = time::timeout(self.prober.longest().max(HEADERS), graceful.shutdown()).await;
    }

    async fn accept_until<T>(
        &self,
        end: impl Future<Output = T>,
        connections: &mut Connections,
        graceful: &GracefulShutdown,
    ) {
        tokio::pin!(end);
        loop {
            let accept = async {
                connections.room().await;
                tokio::select! {
                    accepted = self.listener.accept() => Some(accepted),
                    () = connections.ended() => None,
                }
            };
            let accepted = tokio::select! {
                biased;
                _ = &mut end => return,
                accepted = accept => accepted,
            };
            match accepted {
                Some(Ok((stream, _))) => self.open(stream, connections, graceful),
                Some(Err(error)) => {
                    warn!(%error, "Cannot accept a connection");
                    time::sleep(ACCEPT_BACKOFF).await;
                }
                None => {}
            }
        }
    }

    /// Takes along what the kernel has accepted already: closing the listener would
    /// reset it, request and all.
    async fn accept_waiting(&self, connections: &mut Connections, graceful: &GracefulShutdown) {
        for _ in 0..connections::LIMIT {
            let Some(Ok((stream, _))) = self.listener.accept().now_or_never() else {
                break;
            };
            connections.room().await;
            self.open(stream, connections, graceful);
        }
        // Each reads what has arrived before it is told to close.
        tokio::task::yield_now().await;
    }

    fn open(&self, stream: TcpStream, connections: &mut Connections, graceful: &GracefulShutdown) {
        let (prober, watcher) = (Arc::clone(&self.prober), graceful.watcher());
        connections.spawn(|activity| serve(stream, prober, activity, watcher));
    }
}

/// Serves one connection to its end.
async fn serve(stream: TcpStream, prober: Arc<Prober>, activity: Arc<Activity>, watcher: Watcher) {
    let _ = stream.set_nodelay(true);
    let service = {
        let activity = Arc::clone(&activity);
        service_fn(move |request| {
            let busy = activity.begin();
            let prober = Arc::clone(&prober);
            async move {
                let response = prober.answer(request).await;
                drop(busy);
                Ok::<_, Infallible>(response)
            }
        })
    };
    let mut builder = auto::Builder::new(TokioExecutor::new());
    builder
        .http1()
        .timer(TokioTimer::new())
        .header_read_timeout(HEADERS)
        .max_buf_size(HEAD.into())
        .half_close(true);
    builder
        .http2()
        .timer(TokioTimer::new())
        .max_header_list_size(HEAD.into())
        .max_concurrent_streams(STREAMS)
        .initial_stream_window_size(BODY)
        .initial_connection_window_size(STREAMS * BODY)
        .max_send_buf_size(SEND_BUFFER);
    let connection = watcher.watch(
        builder
            .serve_connection(TokioIo::new(Fair(stream)), service)
            .into_owned(),
    );
    // Until the version is known hyper has no timeout of its own: a client may send
    // nothing, or half of HTTP/2's preface.
    let first_request = async {
        time::sleep(HEADERS).await;
        while activity.has_asked() {
            std::future::pending::<()>().await;
        }
    };
    tokio::select! {
        ended = connection => {
            if let Err(error) = ended {
                debug!(%error, "A connection ended");
            }
        }
        () = first_request => {}
    }
}
