//! Dials a service: turns an endpoint into an open connection.
//!
//! ```text
//! host ──▶ resolve ──▶ connect ──┐
//! unix socket ─────────▶ connect ┴──▶ TLS handshake, if asked for ──▶ Stream
//! ```

use std::io;
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use tokio::net::{TcpStream, UnixStream};
use tokio::sync::watch;
use tokio::time::{self, Instant};

use crate::net::address::{Address, Host};
use crate::net::connect::{Shares, connect_first};
use crate::net::endpoint::Endpoint;
use crate::net::lookup::Lookups;
use crate::net::no_connection::{Http, NoConnection};
use crate::net::stage::Stage;
use crate::net::stream::{Io, Stream};
use crate::net::tls::Tls;

/// The time for one of several addresses before the next is tried.
const SHARES: Shares = Shares {
    least: Duration::ZERO,
    most: Duration::from_millis(250),
};

/// The wait before a unix socket with a full queue of connections is tried again. The kernel
/// reports a full queue at once, while TCP waits.
const QUEUE_FULL: Duration = Duration::from_millis(5);

/// Connects to one target, and reports the stage that the connection has reached.
#[derive(Debug)]
pub(crate) struct Dialer {
    endpoint: Endpoint,
    tls: Option<Arc<Tls>>,
    stage: watch::Sender<Stage>,
    lookups: Lookups,
}

// === impl Dialer ===

impl Dialer {
    /// Creates a dialer without connecting: a target that is not up yet is unhealthy, not an error.
    pub(crate) fn new(endpoint: Endpoint, tls: Option<Arc<Tls>>) -> Self {
        Self {
            endpoint,
            tls,
            stage: watch::Sender::new(Stage::Connecting),
            lookups: Lookups::new(),
        }
    }

    /// Returns the end of validity of the certificate that the service presented last.
    pub(crate) fn certificate_expiry(&self) -> Option<SystemTime> {
        self.tls.as_ref()?.certificate_expiry()
    }

    /// Returns the stage that the latest dial has reached.
    pub(crate) fn stage(&self) -> Stage {
        *self.stage.borrow()
    }

    /// Returns the channel of the stages, for callers that follow them.
    pub(crate) fn stages(&self) -> &watch::Sender<Stage> {
        &self.stage
    }

    /// Connects to the first address that answers. The deadline only divides the time between
    /// several addresses; the caller enforces it.
    ///
    /// # Errors
    ///
    /// Returns the error of the first address.
    pub(crate) async fn dial(&self, http: Http, deadline: Instant) -> Result<Stream, NoConnection> {
        let io = self.connect(deadline).await?;
        let stream = match &self.tls {
            None => Stream::plain(io),
            Some(tls) => match self.secure(tls, io, http).await {
                // Files that were replaced during the handshake may be the cause.
                Err(NoConnection::Tls(_)) if tls.has_changed() => {
                    let io = self.connect(deadline).await?;
                    self.secure(tls, io, http).await?
                }
                secured => secured?,
            },
        };
        self.enter(Stage::Waiting);
        Ok(stream)
    }

    async fn secure(&self, tls: &Tls, io: Box<dyn Io>, http: Http) -> Result<Stream, NoConnection> {
        self.enter(Stage::TlsHandshake);
        tls.secure(io, http).await
    }

    async fn connect(&self, deadline: Instant) -> Result<Box<dyn Io>, NoConnection> {
        let connected: io::Result<Box<dyn Io>> = match &self.endpoint {
            Endpoint::Tcp(address) => self
                .connect_tcp(address, deadline)
                .await
                .map(|stream| Box::new(stream) as _),
            Endpoint::Unix(path) => {
                self.enter(Stage::Connecting);
                connect_unix(path)
                    .await
                    .map(|stream| Box::new(stream) as _)
                    .map_err(|error| {
                        io::Error::new(error.kind(), format!("{}: {error}", self.endpoint))
                    })
            }
        };
        connected.map_err(|error| NoConnection::Unreachable(error.to_string().into()))
    }

    async fn connect_tcp(&self, address: &Address, deadline: Instant) -> io::Result<TcpStream> {
        let addresses = match &address.host {
            Host::Name(name) => {
                self.enter(Stage::Resolving);
                self.lookups.resolve(name, address.port).await?
            }
            _ => address.dial_addresses().unwrap_or_default(),
        };
        self.enter(Stage::Connecting);
        connect_first(&addresses, deadline, SHARES).await
    }

    fn enter(&self, stage: Stage) {
        self.stage.send_replace(stage);
    }
}

async fn connect_unix(path: &Path) -> io::Result<UnixStream> {
    loop {
        match UnixStream::connect(path).await {
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                time::sleep(QUEUE_FULL).await;
            }
            connected => return connected,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use socket2::{Domain, SockAddr, Socket, Type};
    use tokio::net::{TcpListener, UnixListener};

    fn dialer(endpoint: &str) -> Dialer {
        Dialer::new(endpoint.parse().unwrap(), None)
    }

    fn soon() -> Instant {
        Instant::now() + Duration::from_millis(900)
    }

    /// Listens with room for one connection in the queue, and takes that room.
    fn full(domain: Domain, address: &SockAddr) -> [Socket; 2] {
        let listener = Socket::new(domain, Type::STREAM, None).unwrap();
        listener.bind(address).unwrap();
        listener.listen(0).unwrap();
        let waiting = Socket::new(domain, Type::STREAM, None).unwrap();
        waiting.connect(&listener.local_addr().unwrap()).unwrap();
        [listener, waiting]
    }

    #[tokio::test]
    async fn a_refusal_names_the_address() {
        let port = TcpListener::bind("127.0.0.1:0")
            .await
            .unwrap()
            .local_addr()
            .unwrap()
            .port();

        let refused = dialer(&format!("127.0.0.1:{port}"))
            .dial(Http::Two, soon())
            .await
            .unwrap_err();

        let expected = format!("127.0.0.1:{port}: Connection refused (os error 111)");
        assert_eq!(refused, NoConnection::Unreachable(expected.into()));
    }

    #[tokio::test]
    async fn an_unknown_host_is_an_error_and_is_looked_up_again() {
        // A label longer than DNS allows: refused by the resolver without a query.
        let name = format!("{}.invalid", "a".repeat(64));
        let dialer = dialer(&format!("{name}:80"));
        for _ in 0..2 {
            let NoConnection::Unreachable(why) = dialer.dial(Http::Two, soon()).await.unwrap_err()
            else {
                panic!("a name that is not resolved is unreachable");
            };
            assert!(why.to_string().starts_with(&format!("{name}: ")), "{why}");
            assert_eq!(dialer.stage(), Stage::Resolving);
        }
    }

    #[tokio::test]
    async fn a_socket_that_is_not_there_is_named() {
        let refused = dialer("unix:/nowhere/greeter.sock")
            .dial(Http::Two, soon())
            .await
            .unwrap_err();
        let expected = "unix:/nowhere/greeter.sock: No such file or directory (os error 2)";
        assert_eq!(refused, NoConnection::Unreachable(expected.into()));
    }

    #[tokio::test]
    async fn a_socket_with_a_full_queue_is_waited_for() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("busy.sock");
        let [listener, waiting] = full(Domain::UNIX, &SockAddr::unix(&path).unwrap());
        listener.set_nonblocking(true).unwrap();
        let listener = UnixListener::from_std(listener.into()).unwrap();
        let dialer = dialer(&format!("unix:{}", path.display()));
        let dial = dialer.dial(Http::Two, soon());
        tokio::pin!(dial);
        let early = time::timeout(QUEUE_FULL * 4, &mut dial).await;
        assert!(early.is_err(), "{early:?}");

        listener.accept().await.unwrap();
        time::timeout_at(soon(), dial).await.unwrap().unwrap();
        assert_eq!(dialer.stage(), Stage::Waiting);
        drop(waiting);
    }
}
