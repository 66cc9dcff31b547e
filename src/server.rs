//! The HTTP server for probes: accepts connections, limits them and drains. Serves HTTP/1.1 and h2c
//! on one port.

use std::convert::Infallible;
use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::task::{Context, Waker};
use std::time::Duration;

use futures_util::FutureExt as _;
use hyper::rt::Executor;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::server::conn::auto;
use hyper_util::server::graceful::{GracefulShutdown, Watcher};
use tokio::net::{TcpListener, TcpStream};
use tokio::time;
use tracing::{debug, warn};

use self::handler::Handler;
use crate::check::monitor::Monitor;
use crate::check::targets::Targets;
use crate::net::connections::{self, Activity, Connections};
use crate::net::fair_stream::FairStream;
use crate::net::{descriptors, listener};

pub(crate) mod grpc;
pub(crate) mod handler;
pub(crate) mod metrics;
pub(crate) mod options;
pub(crate) mod pages;
pub(crate) mod prestop;

pub(crate) mod process;
pub(crate) mod registration;
pub(crate) mod routes;
pub(crate) mod status_page;

/// The time limit for a request head, and for the next request on an idle connection.
const HEADERS: Duration = Duration::from_secs(2);

/// The largest request head, in bytes. It is the least that hyper allows, and many times the head
/// of a probe.
const HEAD: u16 = 8 << 10;

/// The most requests at a time on one HTTP/2 connection, in addition to a Watch for each target.
const STREAMS: usize = connections::REQUESTS - 1;

/// The bytes that one request's body may have in flight. A `HealthCheckRequest` is a service's
/// name.
const BODY: u32 = 4 << 10;

/// The bytes that the bodies of all requests of a connection may have in flight.
const WINDOW: u32 = 8 * BODY;

/// The bytes that an answer may have in flight on one stream. The longest answer is a page of 10
/// KiB.
const SEND_BUFFER: usize = 16 << 10;

/// The time without a frame from an HTTP/2 client after which it gets a PING, because a Watch may
/// be silent for days.
const KEEP_ALIVE: Duration = Duration::from_secs(5);

/// The time limit for the answer to that PING, because the client's node may have died without a
/// FIN.
const KEEP_ALIVE_TIMEOUT: Duration = Duration::from_secs(3);

/// A server that holds its port and does not answer yet.
#[derive(Debug)]
pub(crate) struct Server {
    listener: TcpListener,
    handler: Arc<Handler>,
}

// === impl Server ===

impl Server {
    /// Binds the port.
    ///
    /// # Errors
    ///
    /// The error of the system, most often that the port is in use.
    pub(crate) async fn bind(
        options: &options::Options,
        targets: Targets,
        monitors: Arc<[Monitor]>,
        registration: Option<registration::Registration>,
    ) -> io::Result<Self> {
        let listener = listener::listen(&options.health_address).await?;
        let handler = Arc::new(Handler::new(targets, monitors, options, registration));
        Ok(Self { listener, handler })
    }

    /// Returns the address of the listener. Its port is the chosen one if the flag has port 0.
    pub(crate) fn local_addr(&self) -> io::Result<SocketAddr> {
        self.listener.local_addr()
    }

    /// Returns the handler, for code that learns before `stop` that the pod is being deleted.
    pub(crate) fn handler(&self) -> Arc<Handler> {
        Arc::clone(&self.handler)
    }

    /// Answers probes until `stop`. Then reports not ready, and still accepts while a request is in
    /// flight. Then closes, and lets the requests in flight finish.
    pub(crate) async fn run(self, stop: impl Future<Output = ()>) {
        let mut connections = Connections::new(self.limit());
        let graceful = GracefulShutdown::new();
        self.accept_until(stop, &mut connections, &graceful).await;
        self.handler.drain();
        // A request in flight takes at most one check. Later requests are finished below.
        let quiet = time::timeout(self.handler.longest(), connections.wait_until_idle());
        self.accept_until(quiet, &mut connections, &graceful).await;
        self.accept_waiting(&mut connections, &graceful).await;
        drop(self.listener);
        // A client that is left does not read its answer, or never ends its HTTP/2.
        let _ = time::timeout(self.handler.longest().max(HEADERS), graceful.shutdown()).await;
    }

    /// Returns the most connections at a time.
    fn limit(&self) -> usize {
        let descriptors = descriptors::limit();
        let limit = connections::limit(descriptors, self.handler.targets());
        if limit < connections::LIMIT {
            warn!(
                descriptors,
                connections = limit,
                "The limit of open files is low, so the sidecar accepts fewer connections; raise it (ulimit -n)"
            );
        }
        limit
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
                connections.wait_for_room().await;
                tokio::select! {
                    accepted = self.listener.accept() => Some(accepted),
                    () = connections.join_next() => None,
                }
            };
            let accepted = tokio::select! {
                biased;
                _ = &mut end => return,
                accepted = accept => accepted,
            };
            match accepted {
                Some(Ok(accepted)) => self.open(accepted, connections, graceful),
                Some(Err(error)) => connections.accept_failed(&error).await,
                None => {}
            }
        }
    }

    /// Opens the connections that the kernel has accepted already. Closing the listener would reset
    /// them with their requests.
    async fn accept_waiting(&self, connections: &mut Connections, graceful: &GracefulShutdown) {
        // The runtime learns of the latest connections here.
        tokio::task::yield_now().await;
        for _ in 0..connections::LIMIT {
            let Some(Ok(accepted)) = self.listener.accept().now_or_never() else {
                break;
            };
            connections.wait_for_room().await;
            self.open(accepted, connections, graceful);
        }
        // Each connection reads what has arrived before it is told to close.
        tokio::task::yield_now().await;
    }

    fn open(
        &self,
        (stream, client): (TcpStream, SocketAddr),
        connections: &mut Connections,
        graceful: &GracefulShutdown,
    ) {
        let (handler, watcher) = (Arc::clone(&self.handler), graceful.watcher());
        connections.spawn(client.ip(), |activity| {
            serve(stream, handler, activity, watcher)
        });
    }
}

/// Polls each request of an HTTP/2 connection once where it arrives. Its head may take 30 KiB as
/// many small fields, and is freed before the next head is read. A new task for each request would
/// begin only after all that other connections have sent was read.
#[derive(Clone, Copy, Debug)]
struct EagerExecutor;

impl<F: Future<Output = ()> + Send + 'static> Executor<F> for EagerExecutor {
    fn execute(&self, request: F) {
        let mut request = Box::pin(request);
        // A pending request is polled again by its task, whose waker then counts.
        let begun = request
            .as_mut()
            .poll(&mut Context::from_waker(Waker::noop()));
        if begun.is_pending() {
            tokio::spawn(request);
        }
    }
}

/// Serves one connection to its end.
async fn serve(
    stream: TcpStream,
    handler: Arc<Handler>,
    activity: Arc<Activity>,
    watcher: Watcher,
) {
    let _ = stream.set_nodelay(true);
    let streams = u32::try_from(STREAMS + handler.targets()).unwrap_or(u32::MAX);
    let service = {
        let activity = Arc::clone(&activity);
        service_fn(move |request| {
            let (handler, open) = (Arc::clone(&handler), activity.open());
            async move {
                Ok::<_, Infallible>(match open {
                    Some(open) => handler.answer(request, open).await,
                    None => handler::refuse(&request),
                })
            }
        })
    };
    let mut builder = auto::Builder::new(EagerExecutor);
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
        .max_concurrent_streams(streams)
        .initial_stream_window_size(BODY)
        .initial_connection_window_size(WINDOW)
        .max_send_buf_size(SEND_BUFFER)
        .keep_alive_interval(KEEP_ALIVE)
        .keep_alive_timeout(KEEP_ALIVE_TIMEOUT);
    let connection = watcher.watch(
        builder
            .serve_connection(TokioIo::new(FairStream(stream)), service)
            .into_owned(),
    );
    // Until the version is known, hyper has no timeout of its own: a client may send nothing, or
    // half of HTTP/2's preface.
    let first_request = async {
        time::sleep(HEADERS).await;
        while activity.has_sent_request() {
            std::future::pending::<()>().await;
        }
    };
    tokio::select! {
        ended = connection => {
            if let Err(error) = ended {
                debug!(%error, "A connection ended with an error");
            }
        }
        () = first_request => {}
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::check::target::Settings;
    use std::future::ready;
    use std::io::{Read as _, Write as _};

    /// Checks a connection that the kernel accepts before the server does.
    #[tokio::test]
    async fn a_request_that_waits_in_the_kernel_is_answered_at_the_stop() {
        let argv = [
            "health",
            "--health_address=127.0.0.1:0",
            "--server_name=greeter",
            "--server_address=127.0.0.1:1",
        ];
        let args = crate::app::args::read(argv.map(Into::into), |_| None)
            .unwrap()
            .args;
        let targets = Targets::new(&args.target, &args.targets, &Settings::default()).unwrap();
        let server = Server::bind(&args.server, targets, [].into(), None).await;
        let server = server.unwrap();
        let mut client = std::net::TcpStream::connect(server.local_addr().unwrap()).unwrap();
        client
            .write_all(b"GET /livez HTTP/1.1\r\nHost: a\r\n\r\n")
            .unwrap();

        server.run(ready(())).await;

        let mut answer = String::new();
        client.read_to_string(&mut answer).unwrap();
        assert!(answer.starts_with("HTTP/1.1 200 OK\r\n"), "{answer:?}");
    }
}
