//! The connections of a channel: one for each ready endpoint, opened again when lost, and
//! given to requests while the endpoint says that it is well, if that is asked.

use std::collections::BTreeMap;
use std::convert::Infallible;
use std::future;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use hyper::client::conn::http2::{self, SendRequest};
use hyper_util::rt::{TokioExecutor, TokioIo};
use tokio::sync::{Notify, oneshot, watch};
use tokio::task::JoinSet;
use tokio::time::{self, Instant};
use tonic::body::Body;
use tracing::debug;

use crate::net::address::{Address, Host};
use crate::net::dial::Dialer;
use crate::net::endpoint::Endpoint;
use crate::net::no_connection::{Http, NoConnection};
use crate::net::tls::{InvalidTls, Tls, options::Options};
use crate::resolver::Endpoints;
use crate::resolver::channel::health::{Ended, Health, HealthStatus};
use crate::resolver::channel::read_notifier::ReadNotifier;

/// The time limit for a connection to open, TLS included.
const CONNECT: Duration = Duration::from_secs(10);

/// The time in which a connection whose endpoint is gone may finish its requests.
const DRAIN: Duration = Duration::from_mins(5);

/// The first and the longest wait before a lost connection is opened again. grpc-go waits
/// up to two minutes, and is told sooner by a resolver: ours hears of pods, not of ports.
const BACKOFF: [Duration; 2] = [Duration::from_millis(100), Duration::from_secs(10)];

/// The connections that can be used now.
#[derive(Debug, Default)]
pub(super) struct Open {
    /// The open connections, in the order of their addresses.
    pub(super) connections: Vec<Connection>,
    /// The reason why the latest other connection could not be opened.
    pub(super) trouble: Option<String>,
}

/// An open connection.
#[derive(Clone, Debug)]
pub(super) struct Connection {
    pub(super) address: SocketAddr,
    pub(super) requests: SendRequest<Body>,
}

/// Keeps them.
pub(super) struct Connections {
    endpoints: Endpoints,
    /// The TLS settings of every endpoint, because all are called by the Service's name.
    tls: Option<Arc<Tls>>,
    health: Option<Health>,
    open: watch::Sender<Open>,
}

/// The connection of one endpoint, which is opened again when it is lost.
struct Kept {
    address: SocketAddr,
    dialer: Dialer,
    health: Option<Health>,
    open: watch::Sender<Open>,
}

// === impl Connections ===

impl Connections {
    /// Connects to none; tells whether TLS can be spoken at all.
    pub(super) fn new(
        endpoints: Endpoints,
        tls: &Options,
        health: Option<Health>,
    ) -> Result<(Self, watch::Receiver<Open>), InvalidTls> {
        let tls = Tls::new(tls, &endpoints.target().server_name())?.map(Arc::new);
        let (open, seen) = watch::channel(Open::default());
        let connections = Self {
            endpoints,
            tls,
            health,
            open,
        };
        Ok((connections, seen))
    }

    /// Follows the Service. Never ends.
    pub(super) async fn run(mut self) {
        let mut tasks = JoinSet::new();
        // Each is told to leave by the end of its sender.
        let mut kept: BTreeMap<SocketAddr, oneshot::Sender<()>> = BTreeMap::new();
        loop {
            self.keep(&mut kept, &mut tasks);
            tokio::select! {
                () = self.endpoints.changed() => {}
                // Only those that were told to leave end.
                Some(_) = tasks.join_next() => {}
            }
        }
    }

    /// Keeps one connection for each ready endpoint, and no other.
    fn keep(&self, kept: &mut BTreeMap<SocketAddr, oneshot::Sender<()>>, tasks: &mut JoinSet<()>) {
        let union = self.endpoints.union();
        let known = &union.endpoints;
        kept.retain(|address, _| known.get(address).is_some_and(|it| it.ready));
        for address in union.ready().map(|it| it.address) {
            if kept.contains_key(&address) {
                continue;
            }
            let (host, port) = (Host::Ip(address.ip()), address.port());
            let endpoint = Endpoint::Tcp(Address { host, port });
            let one = Kept {
                address,
                dialer: Dialer::new(endpoint, self.tls.clone()),
                health: self.health.clone(),
                open: self.open.clone(),
            };
            let (stay, leave) = oneshot::channel();
            tasks.spawn(one.run(leave));
            kept.insert(address, stay);
        }
    }
}

// === impl Kept ===

impl Kept {
    /// Keeps the connection open until the endpoint is gone.
    async fn run(self, mut leave: oneshot::Receiver<()>) {
        let read_notifier = Arc::new(Notify::new());
        let mut failures = 0;
        loop {
            let opened = tokio::select! {
                biased;
                _ = &mut leave => return,
                opened = time::timeout(CONNECT, self.connect(&read_notifier)) => opened,
            };
            let began = Instant::now();
            match opened {
                Ok(Ok((requests, connection))) => {
                    let mut connection = std::pin::pin!(connection);
                    let mut offer = Box::pin(self.offer(requests));
                    let ended = loop {
                        tokio::select! {
                            never = &mut offer => match never {},
                            _ = &mut leave => break None,
                            ended = &mut connection => break Some(ended),
                            // The connection is polled once more: it may have been told to end.
                            () = read_notifier.notified(), if self.health.is_some() => {}
                        }
                    };
                    self.remove();
                    // With the question after its health, which would keep the server waiting.
                    drop(offer);
                    let Some(ended) = ended else {
                        // Without a sender it ends with its last request.
                        let _ = time::timeout(DRAIN, connection).await;
                        return;
                    };
                    debug!(address = %self.address, ?ended, "Connection has ended");
                }
                Ok(Err(why)) => self.trouble(&why),
                Err(_) => self.trouble(&format!("not connected within {CONNECT:?}")),
            }
            if began.elapsed() > BACKOFF[1] {
                failures = 0;
            }
            tokio::select! {
                biased;
                _ = &mut leave => return,
                () = time::sleep(pause(failures)) => failures += 1,
            }
        }
    }

    async fn connect(
        &self,
        read_notifier: &Arc<Notify>,
    ) -> Result<
        (
            SendRequest<Body>,
            impl Future<Output = hyper::Result<()>> + use<>,
        ),
        String,
    > {
        let deadline = Instant::now() + CONNECT;
        let stream = self.dialer.dial(Http::Two, deadline).await;
        let stream = stream.map_err(|no| match no {
            NoConnection::Unreachable(why) | NoConnection::Tls(why) => why.to_string(),
            NoConnection::OtherHttp(_) => "the service's TLS does not speak HTTP/2".to_owned(),
        })?;
        http2::Builder::new(TokioExecutor::new())
            .handshake(ReadNotifier::new(
                TokioIo::new(stream),
                Arc::clone(read_notifier),
            ))
            .await
            .map_err(|error| error.to_string())
    }

    /// Lets requests have the connection while its endpoint says that it is well.
    async fn offer(&self, mut requests: SendRequest<Body>) -> Infallible {
        let Some(health) = &self.health else {
            self.add(&requests);
            return future::pending().await;
        };
        let mut failures = 0;
        loop {
            let offered = requests.clone();
            let tell = move |said| match said {
                HealthStatus::Serving => self.add(&offered),
                HealthStatus::Not(why) => self.withdraw(&why),
            };
            match health.follow(&mut requests, tell).await {
                Ended::Unimplemented => {
                    debug!(address = %self.address, "Knows no grpc.health.v1, and counts as healthy");
                    self.add(&requests);
                    return future::pending().await;
                }
                Ended::Broken { why, had_said } => {
                    self.withdraw(&why);
                    failures = if had_said { 0 } else { failures };
                    time::sleep(pause(failures)).await;
                    failures += 1;
                }
            }
        }
    }

    fn withdraw(&self, why: &str) {
        debug!(address = %self.address, why, "Is given no requests");
        self.remove();
        self.trouble(why);
    }

    fn add(&self, requests: &SendRequest<Body>) {
        self.open.send_if_modified(|open| {
            let address = self.address;
            let place = open
                .connections
                .binary_search_by_key(&address, |it| it.address);
            if let Err(place) = place {
                let requests = requests.clone();
                open.connections
                    .insert(place, Connection { address, requests });
            }
            place.is_err()
        });
    }

    fn remove(&self) {
        self.open
            .send_modify(|open| open.connections.retain(|it| it.address != self.address));
    }

    fn trouble(&self, why: &str) {
        let why = format!("{}: {why}", self.address);
        self.open.send_modify(|open| open.trouble = Some(why));
    }
}

/// Returns the wait after this number of failures in a row, ± 10 %.
fn pause(failures: u32) -> Duration {
    let [first, longest] = BACKOFF;
    let wait = first.saturating_mul(2_u32.saturating_pow(failures));
    wait.min(longest).mul_f64(0.9 + 0.2 * fastrand::f64())
}
