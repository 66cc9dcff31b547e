//! A Service as tonic's clients call it: round robin over connections that are open.
//!
//! ```text
//!                        ┌─ connection ── endpoint      added and removed as the
//! request ──▶ Channel ───┼─ connection ── endpoint      Service's slices say
//!              in turn   └─ (connecting)  endpoint      not asked until it is open
//! ```
//!
//! tonic's own balanced channel counts an endpoint that refuses connections as ready and
//! fails every request it gives to it (grpc-rust issue 2839). Here a request goes only to
//! an open connection, and to the next one if that has closed before taking it. An
//! endpoint that is removed is given nothing more and finishes what it has.
//!
//! With [`Builder::health`] an endpoint that says of itself that it is not serving is given
//! nothing either.
//!
//! No pings: grpc-go takes those of a client for an attack. An endpoint that is gone
//! without a word is known when the API server says so.

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

/// Makes channels of targets, all of one resolver.
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
    patience: Duration,
    tls: tls::options::Options,
    health: Option<String>,
}

/// A Service, for as many clients as want to call it. Cheap to clone; its connections
/// close with the last clone.
#[derive(Clone)]
pub struct Channel {
    service: Arc<Service>,
}

struct Service {
    target: Target,
    scheme: Scheme,
    authority: Authority,
    patience: Duration,
    open: watch::Receiver<Open>,
    turn: AtomicUsize,
    _connections: JoinSet<()>,
}

/// The reason why there is no channel.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum NoChannel {
    /// A text that is no target.
    #[error(transparent)]
    Target(#[from] InvalidTarget),
    /// TLS that cannot be spoken as the options say.
    #[error(transparent)]
    Tls(#[from] InvalidTls),
}

/// The time for which a request waits for an open connection.
const PATIENCE: Duration = Duration::from_secs(5);

// === impl Builder ===

impl Builder {
    /// Targets `kubernetes://…`, without TLS.
    pub fn new(resolver: Resolver) -> Self {
        Self {
            resolver,
            scheme: SCHEME.to_owned(),
            patience: PATIENCE,
            tls: tls::options::Options::default(),
            health: None,
        }
    }

    /// Targets of another scheme, as kuberesolver's `RegisterInClusterWithSchema`.
    #[must_use]
    pub fn scheme(mut self, scheme: impl Into<String>) -> Self {
        self.scheme = scheme.into();
        self
    }

    /// Sets the time for which a request waits while no connection is open. The default is 5 s.
    #[must_use]
    pub fn patience(mut self, patience: Duration) -> Self {
        self.patience = patience;
        self
    }

    /// Speaks TLS as these options say; a certificate must be for `service.namespace`,
    /// unless they name another.
    #[must_use]
    pub fn tls(mut self, tls: tls::options::Options) -> Self {
        self.tls = tls;
        self
    }

    /// Asks each endpoint whether this service of it is well, and gives it requests only
    /// while it says `SERVING`; "" is the server as a whole. Not asked unless said.
    ///
    /// It is asked by `grpc.health.v1.Health/Watch`, one stream for as long as the
    /// connection lasts. One that does not serve the method counts as well. One whose
    /// stream is silent for 10 s or ends in any other way does not, and is asked again
    /// after 0.1 to 10 s. A request that an endpoint has taken is left to it.
    /// Source: gRFC A17, "Client-Side Health Checking".
    #[must_use]
    pub fn health(mut self, service: impl Into<String>) -> Self {
        self.health = Some(service.into());
        self
    }

    /// Begins to watch and to connect; waits for neither. Wants a runtime.
    ///
    /// # Errors
    ///
    /// A text that is no target, and TLS that cannot be spoken.
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
            patience: builder.patience,
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
        let deadline = Instant::now() + self.patience;
        loop {
            let connection = time::timeout_at(deadline, self.next()).await;
            let mut connection = connection.map_err(|_| self.unavailable())?;
            let mut error = match connection.requests.try_send_request(request).await {
                Ok(response) => return Ok(response),
                Err(error) => error,
            };
            // One that closed before it took the request: nobody has seen it.
            let Some(unsent) = error.take_message() else {
                let (address, error) = (connection.address, error.into_error());
                return Err(Status::unavailable(format!("{address}: {error}")));
            };
            request = unsent;
        }
    }

    /// The open connection whose turn it is.
    async fn next(&self) -> Connection {
        let mut open = self.open.clone();
        let is_open = |connection: &&Connection| connection.requests.is_ready();
        let seen = open.wait_for(|open| open.connections.iter().any(|it| is_open(&it)));
        let seen = seen.await;
        let seen = seen.expect("the sender must live as long as the channel");
        let turn = self.turn.fetch_add(1, Ordering::Relaxed);
        // One may have closed between the two looks.
        let connection = in_turn(&seen.connections, turn, |it| is_open(&it));
        connection.unwrap_or(&seen.connections[0]).clone()
    }

    fn unavailable(&self) -> Status {
        let open = self.open.borrow();
        let why = open.trouble.as_deref().unwrap_or("none has an endpoint");
        let (target, patience) = (&self.target, self.patience);
        Status::unavailable(format!(
            "no open connection to {target} within {patience:?}: {why}"
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
    fn each_has_its_turn_and_who_does_not_fit_leaves_it_to_the_next() {
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
