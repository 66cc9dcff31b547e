//! The connections of a channel: one for each ready endpoint, opened again when lost.

use std::collections::{BTreeMap, BTreeSet};
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use hyper::client::conn::http2::{self, SendRequest};
use hyper_util::rt::{TokioExecutor, TokioIo};
use tokio::sync::{oneshot, watch};
use tokio::task::JoinSet;
use tokio::time::{self, Instant};
use tonic::body::Body;
use tracing::debug;

use super::super::Endpoints;
use crate::target::address::{Address, Host};
use crate::target::dial::{Dialer, Http, NoConnection};
use crate::target::endpoint::Endpoint;
use crate::target::tls::{InvalidTls, Tls, options::Options};

/// Time for a connection to open, TLS included.
const CONNECT: Duration = Duration::from_secs(10);

/// Time for a connection whose endpoint is gone to finish what it has.
const DRAIN: Duration = Duration::from_mins(5);

/// The first wait before a lost connection is opened again, and the longest. grpc-go waits
/// up to two minutes, and is told sooner by a resolver: ours hears of pods, not of ports.
const BACKOFF: [Duration; 2] = [Duration::from_millis(100), Duration::from_secs(10)];

/// The connections that can be used now.
#[derive(Debug, Default)]
pub(super) struct Open {
    /// By address.
    pub(super) connections: Vec<Connection>,
    /// Why the latest other could not be opened.
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
    tls: Options,
    open: watch::Sender<Open>,
}

/// One endpoint's.
struct Kept {
    address: SocketAddr,
    dialer: Arc<Dialer>,
    open: watch::Sender<Open>,
}

// === impl Connections ===

impl Connections {
    /// Connects to none; tells whether TLS can be spoken at all.
    pub(super) fn new(
        endpoints: Endpoints,
        tls: Options,
    ) -> Result<(Self, watch::Receiver<Open>), InvalidTls> {
        dialer(SocketAddr::from(([0, 0, 0, 0], 1)), &tls)?;
        let (open, seen) = watch::channel(Open::default());
        let connections = Self {
            endpoints,
            tls,
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
            let union = self.endpoints.union();
            let ready: BTreeSet<_> = union.considered(false).map(|it| it.address).collect();
            kept.retain(|address, _| ready.contains(address));
            for address in ready {
                if kept.contains_key(&address) {
                    continue;
                }
                match dialer(address, &self.tls) {
                    Ok(dialer) => {
                        let (stay, leave) = oneshot::channel();
                        let open = self.open.clone();
                        let dialer = Arc::new(dialer);
                        tasks.spawn(
                            Kept {
                                address,
                                dialer,
                                open,
                            }
                            .run(leave),
                        );
                        kept.insert(address, stay);
                    }
                    Err(invalid) => self.trouble(&invalid.to_string()),
                }
            }
            tokio::select! {
                () = self.endpoints.changed() => {}
                // Only those that were told to leave end.
                Some(_) = tasks.join_next() => {}
            }
        }
    }

    fn trouble(&self, why: &str) {
        self.open
            .send_modify(|open| open.trouble = Some(why.to_owned()));
    }
}

// === impl Kept ===

impl Kept {
    /// Keeps the connection open until the endpoint is gone.
    async fn run(self, mut leave: oneshot::Receiver<()>) {
        let mut failures = 0;
        loop {
            let opened = tokio::select! {
                biased;
                _ = &mut leave => return,
                opened = time::timeout(CONNECT, self.connect()) => opened,
            };
            let began = Instant::now();
            match opened {
                Ok(Ok((requests, connection))) => {
                    let mut connection = std::pin::pin!(connection);
                    self.add(requests);
                    tokio::select! {
                        _ = &mut leave => {
                            self.remove();
                            // Without a sender it ends with its last request.
                            let _ = time::timeout(DRAIN, connection).await;
                            return;
                        }
                        ended = &mut connection => {
                            self.remove();
                            debug!(address = %self.address, ?ended, "Connection has ended");
                        }
                    }
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
            .handshake(TokioIo::new(stream))
            .await
            .map_err(|error| error.to_string())
    }

    fn add(&self, requests: SendRequest<Body>) {
        let address = self.address;
        self.open.send_modify(|open| {
            open.connections.push(Connection { address, requests });
            open.connections.sort_by_key(|it| it.address);
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

fn dialer(address: SocketAddr, tls: &Options) -> Result<Dialer, InvalidTls> {
    let (host, port) = (Host::Ip(address.ip()), address.port());
    let endpoint = Endpoint::Tcp(Address { host, port });
    let tls = Tls::new(tls, &endpoint)?;
    Ok(Dialer::new(endpoint, tls))
}

/// How long to wait after so many failures in a row, a tenth more or less.
fn pause(failures: u32) -> Duration {
    let [first, longest] = BACKOFF;
    let wait = first.saturating_mul(2_u32.saturating_pow(failures));
    wait.min(longest).mul_f64(0.9 + 0.2 * fastrand::f64())
}
