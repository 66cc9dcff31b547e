//! The one place that dials: text addresses become connected sockets.

use std::future::Future;
use std::io;
use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use futures_util::FutureExt as _;
use futures_util::future::Shared;
use tokio::net::TcpStream;
use tokio::sync::watch;
use tokio::time;

use super::address::{Address, Host};
use crate::unhealthy::Stage;

/// How long one of several addresses may take before the next is tried. Leaves the
/// default deadline of 900 ms room for three; the last address has all that is left.
const ATTEMPT: Duration = Duration::from_millis(250);

/// Connects to one target and knows how far it has come.
#[derive(Debug)]
pub struct Dialer {
    address: Address,
    stage: watch::Sender<Stage>,
    lookup: Mutex<Option<Lookup>>,
}

/// A question to the platform's resolver. It cannot be cancelled, so a check that
/// times out leaves it here for the next check to join: never more than one a target.
type Lookup = Shared<Pin<Box<dyn Future<Output = Result<Vec<SocketAddr>, Arc<io::Error>>> + Send>>>;

// === impl Dialer ===

impl Dialer {
    /// Does not connect: a target that is not up yet is unhealthy, not an error.
    pub fn new(address: Address) -> Self {
        Self {
            address,
            stage: watch::Sender::new(Stage::Connecting),
            lookup: Mutex::new(None),
        }
    }

    /// Where it dials.
    pub fn address(&self) -> &Address {
        &self.address
    }

    /// What the latest dial was or is waiting for.
    pub fn stage(&self) -> Stage {
        *self.stage.borrow()
    }

    /// The same, for those who follow it.
    pub fn stages(&self) -> &watch::Sender<Stage> {
        &self.stage
    }

    /// Connects to the first address that answers.
    ///
    /// # Errors
    ///
    /// That of the first address; the caller bounds the time.
    pub async fn dial(&self) -> io::Result<TcpStream> {
        let addresses = match &self.address.host {
            Host::Name(name) => {
                self.enter(Stage::Resolving);
                self.resolve(name).await?
            }
            _ => self.address.dialled().unwrap_or_default(),
        };
        self.enter(Stage::Connecting);
        let mut first_error = None;
        for (index, address) in addresses.iter().enumerate() {
            let connect = TcpStream::connect(address);
            let connected = if index + 1 < addresses.len() {
                time::timeout(ATTEMPT, connect)
                    .await
                    .unwrap_or_else(|_| Err(io::ErrorKind::TimedOut.into()))
            } else {
                connect.await
            };
            match connected {
                Ok(stream) => {
                    stream.set_nodelay(true)?;
                    self.enter(Stage::Waiting);
                    return Ok(stream);
                }
                Err(error) => first_error = first_error.or(Some((address, error))),
            }
        }
        Err(match first_error {
            Some((address, error)) => io::Error::new(error.kind(), format!("{address}: {error}")),
            None => io::Error::new(io::ErrorKind::NotFound, "the host name has no address"),
        })
    }

    fn enter(&self, stage: Stage) {
        self.stage.send_replace(stage);
    }

    async fn resolve(&self, name: &str) -> io::Result<Vec<SocketAddr>> {
        let lookup = {
            let mut slot = self.lookup.lock().unwrap_or_else(PoisonError::into_inner);
            slot.get_or_insert_with(|| lookup(name.to_owned(), self.address.port))
                .clone()
        };
        let resolved = lookup.await;
        *self.lookup.lock().unwrap_or_else(PoisonError::into_inner) = None;
        resolved.map_err(|error| io::Error::new(error.kind(), format!("{name}: {error}")))
    }
}

fn lookup(name: String, port: u16) -> Lookup {
    let lookup = async move {
        // The answer is asked for anew at each dial: a Service's address may move.
        tokio::net::lookup_host((name, port))
            .await
            .map(Iterator::collect)
            .map_err(Arc::new)
    };
    lookup.boxed().shared()
}

#[cfg(test)]
mod tests {
    use super::*;
    use tokio::net::TcpListener;

    #[tokio::test]
    async fn tries_the_next_address_of_a_wildcard() {
        let Ok(listener) = TcpListener::bind("[::1]:0").await else {
            return;
        };
        let port = listener.local_addr().unwrap().port();
        let dialer = Dialer::new(format!(":{port}").parse().unwrap());

        let stream = dialer.dial().await.unwrap();

        assert!(stream.peer_addr().unwrap().is_ipv6());
        assert_eq!(dialer.stage(), Stage::Waiting);
    }

    #[tokio::test]
    async fn a_refusal_names_the_address() {
        let port = TcpListener::bind("127.0.0.1:0")
            .await
            .unwrap()
            .local_addr()
            .unwrap()
            .port();
        let dialer = Dialer::new(format!("127.0.0.1:{port}").parse().unwrap());

        let error = dialer.dial().await.unwrap_err();

        assert_eq!(error.kind(), io::ErrorKind::ConnectionRefused);
        assert!(
            error
                .to_string()
                .starts_with(&format!("127.0.0.1:{port}: ")),
            "{error}"
        );
    }

    #[tokio::test]
    async fn an_unknown_host_is_an_error_and_is_asked_again() {
        // A label longer than DNS allows: refused by the resolver without a query.
        let name = format!("{}.invalid", "a".repeat(64));
        let dialer = Dialer::new(format!("{name}:80").parse().unwrap());
        for _ in 0..2 {
            let error = dialer.dial().await.unwrap_err().to_string();
            assert!(error.starts_with(&format!("{name}: ")), "{error}");
            assert_eq!(dialer.stage(), Stage::Resolving);
        }
    }
}
