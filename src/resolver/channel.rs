//! A channel for tonic's clients: round robin over open connections to a Service's endpoints.
//!
//! ```text
//!                        ┌─ connection ── endpoint      added and removed as the
//! request ──▶ Channel ───┼─ connection ── endpoint      Service's slices say
//!              in turn   └─ (connecting)  endpoint      unused until it is open
//! ```
//!
//! tonic's own balanced channel treats an endpoint that refuses connections as ready, and
//! fails every request that it sends there (grpc-rust issue 2839). Here a request goes only to
//! an open connection, and to the next one if that closed before it accepted the request. A
//! removed endpoint gets no new requests and finishes those that it has.
//!
//! With [`Builder::health`], an endpoint that reports that it is not serving gets no requests.
//!
//! The channel sends no HTTP/2 pings, because grpc-go treats a client's pings as an attack. An
//! endpoint that vanished without closing its connection is removed when the API server
//! reports it.

use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::task::{Context, Poll};
use std::time::Duration;

use http::uri::{Authority, PathAndQuery, Scheme};
use http::{Request, Response, Uri};
use hyper::body::Incoming;
use tokio::sync::watch;
use tokio::task::JoinSet;
use tokio::time::{self, Instant};
use tonic::Status;
use tonic::body::Body;

use self::connections::{Connection, Connections, Open};
use self::health::Health;
use crate::net::tls;
use crate::resolver::target::{InvalidTarget, SCHEME};
use crate::resolver::{Endpoints, Resolver, Target};

pub use crate::net::tls::InvalidTls;
pub use crate::net::tls::options::Options as TlsOptions;

mod connections;
mod health;
mod read_notifier;

/// A builder of channels that share one resolver.
///
/// ```no_run
/// use micro_health::resolver::{Resolver, channel::Builder};
/// use tonic_health::pb::{HealthCheckRequest, health_client::HealthClient};
///
/// # async fn example(client: kube::Client) -> Result<(), Box<dyn std::error::Error>> {
/// let channels = Builder::new(Resolver::new(client, "default"));
/// let channel = channels.connect("kubernetes:///greeter.shop:grpc")?;
/// let answer = HealthClient::new(channel).check(HealthCheckRequest::default()).await?;
/// println!("{:?}", answer.into_inner().status());
/// # Ok(())
/// # }
/// ```
#[derive(Clone, Debug)]
pub struct Builder {
    resolver: Resolver,
    scheme: String,
    max_wait: Duration,
    tls: tls::options::Options,
    health: Option<String>,
}

/// A channel to the endpoints of a Service, for any number of clients.
///
/// It is cheap to clone. Its connections close when the last clone is dropped.
#[derive(Clone)]
pub struct Channel {
    service: Arc<Service>,
}

struct Service {
    target: Target,
    scheme: Scheme,
    authority: Authority,
    max_wait: Duration,
    open: watch::Receiver<Open>,
    turn: AtomicUsize,
    _connections: JoinSet<()>,
}

/// The reason why there is no channel.
#[derive(Debug, thiserror::Error)]
pub enum NoChannel {
    /// The text is not a target.
    #[error(transparent)]
    Target(#[from] InvalidTarget),
    /// The TLS options cannot be used.
    #[error(transparent)]
    Tls(#[from] InvalidTls),
}

/// The time for which a request waits for an open connection.
const PATIENCE: Duration = Duration::from_secs(5);

// === impl Builder ===

impl Builder {
    /// Creates a builder for `kubernetes://` targets, without TLS.
    pub fn new(resolver: Resolver) -> Self {
        Self {
            resolver,
            scheme: SCHEME.to_owned(),
            max_wait: MAX_WAIT,
            tls: tls::options::Options::default(),
            health: None,
        }
    }

    /// Sets another scheme for targets, like kuberesolver's `RegisterInClusterWithSchema`.
    #[must_use]
    pub fn scheme(mut self, scheme: impl Into<String>) -> Self {
        self.scheme = scheme.into();
        self
    }

    /// Sets the time for which a request waits while no connection is open. The default is 5 s.
    #[must_use]
    pub fn max_wait(mut self, max_wait: Duration) -> Self {
        self.max_wait = max_wait;
        self
    }

    /// Sets the TLS options. A certificate must be valid for `service.namespace`, unless the
    /// options name another server.
    #[must_use]
    pub fn tls(mut self, tls: tls::options::Options) -> Self {
        self.tls = tls;
        self
    }

    /// Enables health checking: an endpoint gets requests only while it reports this service as
    /// `SERVING`. "" is the server as a whole. Off by default.
    ///
    /// The channel calls `grpc.health.v1.Health/Watch`, one stream per connection. An endpoint
    /// that does not implement the method counts as healthy. If the stream sends no status
    /// within 10 s or ends in any other way, the endpoint counts as unhealthy, and the channel
    /// calls again after 0.1 to 10 s. Requests that an endpoint has already accepted continue.
    /// Source: gRFC A17, "Client-Side Health Checking".
    #[must_use]
    pub fn health(mut self, service: impl Into<String>) -> Self {
        self.health = Some(service.into());
        self
    }

    /// Creates a channel, which starts to watch the Service and to connect in the background.
    ///
    /// Must be called within a tokio runtime.
    ///
    /// # Errors
    ///
    /// The text is not a target, or the TLS options cannot be used.
    pub fn connect(&self, target: &str) -> Result<Channel, NoChannel> {
        let endpoints = self
            .resolver
            .endpoints(Target::parse(target, &self.scheme)?);
        Ok(Channel::new(self, endpoints)?)
    }
}

// === impl Channel ===

impl Channel {
    fn new(builder: &Builder, endpoints: Endpoints) -> Result<Self, InvalidTls> {
        let target = endpoints.target().clone();
        let name = target.server_name();
        let mut tls = builder.tls.clone();
        tls.tls_server_name.get_or_insert_with(|| name.clone());
        let scheme = if tls.tls { Scheme::HTTPS } else { Scheme::HTTP };
        let authority: Authority = name.parse().expect("labels and a dot must be an authority");
        let health = builder.health.clone();
        let health = health.map(|service| Health::new(service, &scheme, &authority));
        let (connections, open) = Connections::new(endpoints, &tls, health)?;
        let mut task = JoinSet::new();
        task.spawn(connections.run());
        let service = Service {
            target,
            scheme,
            authority,
            max_wait: builder.max_wait,
            open,
            turn: AtomicUsize::new(0),
            _connections: task,
        };
        let service = Arc::new(service);
        Ok(Self { service })
    }

    /// Returns the target whose endpoints are called.
    pub fn target(&self) -> &Target {
        &self.service.target
    }
}

impl tower_service::Service<Request<Body>> for Channel {
    type Response = Response<Incoming>;
    type Error = Status;
    type Future = Pin<Box<dyn Future<Output = Result<Response<Incoming>, Status>> + Send>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Status>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: Request<Body>) -> Self::Future {
        let service = Arc::clone(&self.service);
        Box::pin(async move { service.call(request).await })
    }
}

impl fmt::Debug for Channel {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Channel({})", self.service.target)
    }
}

// === impl Service ===

impl Service {
    async fn call(&self, mut request: Request<Body>) -> Result<Response<Incoming>, Status> {
        *request.uri_mut() = self.absolute(request.uri());
        let deadline = Instant::now() + self.max_wait;
        loop {
            let connection = time::timeout_at(deadline, self.next()).await;
            let mut connection = connection.map_err(|_| self.unavailable())?;
            let mut error = match connection.requests.try_send_request(request).await {
                Ok(response) => return Ok(response),
                Err(error) => error,
            };
            // The connection closed before it accepted the request, so it may be sent again.
            let Some(unsent) = error.take_message() else {
                let (address, error) = (connection.address, error.into_error());
                return Err(Status::unavailable(format!("{address}: {error}")));
            };
            request = unsent;
        }
    }

    /// Waits for an open connection and returns the next in turn.
    async fn next(&self) -> Connection {
        let mut open = self.open.clone();
        let is_open = |connection: &&Connection| connection.requests.is_ready();
        let usable = open.wait_for(|open| open.connections.iter().any(|it| is_open(&it)));
        let usable = usable.await;
        let usable = usable.expect("the sender must live as long as the channel");
        let turn = self.turn.fetch_add(1, Ordering::Relaxed);
        // A connection may have closed since `wait_for`.
        let connection = in_turn(&usable.connections, turn, |it| is_open(&it));
        connection.unwrap_or(&usable.connections[0]).clone()
    }

    fn unavailable(&self) -> Status {
        let open = self.open.borrow();
        let why = open.trouble.as_deref().unwrap_or("the Service has no ready endpoint");
        let (target, max_wait) = (&self.target, self.max_wait);
        Status::unavailable(format!(
            "no open connection to {target} within {max_wait:?}: {why}"
        ))
    }

    fn absolute(&self, uri: &Uri) -> Uri {
        let path = uri.path_and_query().cloned();
        let path = path.unwrap_or_else(|| PathAndQuery::from_static("/"));
        let absolute = Uri::builder()
            .scheme(self.scheme.clone())
            .authority(self.authority.clone())
            .path_and_query(path);
        absolute.build().expect("the parts of URIs must make a URI")
    }
}

/// Returns the connection whose turn it is, or the next one that fits, without a look at all of them.
fn in_turn<T>(all: &[T], turn: usize, fits: impl Fn(&T) -> bool) -> Option<&T> {
    let (before, from) = all.split_at(turn % all.len().max(1));
    from.iter().chain(before).find(|it| fits(it))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_item_has_its_turn_and_an_unfit_one_is_skipped() {
        let turns = |all: &[u8], fits: fn(&u8) -> bool| {
            let turn = |turn| in_turn(all, turn, fits).copied().unwrap_or_default();
            (0..6).map(turn).collect::<Vec<_>>()
        };
        assert_eq!(turns(&[1, 2, 3], |_| true), [1, 2, 3, 1, 2, 3]);
        assert_eq!(turns(&[1, 2, 3], |it| *it != 3), [1, 2, 1, 1, 2, 1]);
        assert_eq!(turns(&[1, 2, 3], |it| *it == 2), [2; 6]);
        assert_eq!(turns(&[1, 2, 3], |_| false), [0; 6]);
        assert_eq!(turns(&[], |_| true), [0; 6]);
    }
}
