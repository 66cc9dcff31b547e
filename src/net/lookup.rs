//! Asks the platform's resolver for the addresses of one host name.
//!
//! A lookup cannot be cancelled, so a check that times out leaves it to the next check, which joins
//! it. A target never has more than one lookup. A dial does not use an answer that arrived before
//! the dial began, because a Service's address may have changed since.

use std::fmt;
use std::io;
use std::net::{SocketAddr, ToSocketAddrs as _};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use futures_util::FutureExt as _;
use futures_util::future::{BoxFuture, Shared};
use tokio::task;
use tokio::time::Instant;

/// The lookups of one target.
pub(super) struct Lookups {
    resolver: Arc<Resolver>,
    in_flight: Mutex<Option<Lookup>>,
}

type Resolver = dyn Fn(&str, u16) -> io::Result<Vec<SocketAddr>> + Send + Sync;

/// A lookup that every caller may await.
type Lookup = Shared<BoxFuture<'static, Answer>>;

/// An answer of the resolver.
#[derive(Clone, Debug)]
struct Answer {
    addresses: Result<Vec<SocketAddr>, Arc<io::Error>>,
    arrived: Instant,
}

// === impl Lookups ===

impl Lookups {
    /// Creates the lookups of the platform's resolver.
    pub(super) fn new() -> Self {
        Self::by(|name, port| Ok((name, port).to_socket_addrs()?.collect()))
    }

    /// Creates the lookups of a resolver, which may block.
    fn by(
        resolver: impl Fn(&str, u16) -> io::Result<Vec<SocketAddr>> + Send + Sync + 'static,
    ) -> Self {
        Self {
            resolver: Arc::new(resolver),
            in_flight: Mutex::default(),
        }
    }

    /// Resolves a name by an answer that arrives from now on. The name must always be the same,
    /// because a lookup in flight is joined whatever it is for.
    pub(super) async fn resolve(&self, name: &str, port: u16) -> io::Result<Vec<SocketAddr>> {
        let began = Instant::now();
        loop {
            let lookup = self.join(name, port);
            let answer = lookup.clone().await;
            let mut in_flight = self.lock();
            if in_flight
                .as_ref()
                .is_some_and(|current| current.ptr_eq(&lookup))
            {
                *in_flight = None;
            }
            drop(in_flight);
            if answer.arrived >= began {
                let named = |error: Arc<io::Error>| {
                    io::Error::new(error.kind(), format!("{name}: {error}"))
                };
                return answer.addresses.map_err(named);
            }
        }
    }

    fn join(&self, name: &str, port: u16) -> Lookup {
        let start = || {
            let (resolver, name) = (Arc::clone(&self.resolver), name.to_owned());
            // The task runs to its end and notes the time, even if no caller awaits it.
            let lookup = task::spawn_blocking(move || {
                let addresses = resolver(&name, port).map_err(Arc::new);
                (addresses, Instant::now())
            });
            async {
                let (addresses, arrived) = lookup.await.unwrap_or_else(|error| {
                    (Err(Arc::new(io::Error::other(error))), Instant::now())
                });
                Answer { addresses, arrived }
            }
            .boxed()
            .shared()
        };
        self.lock().get_or_insert_with(start).clone()
    }

    fn lock(&self) -> MutexGuard<'_, Option<Lookup>> {
        // No code panics while holding it.
        self.in_flight
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
    }
}

impl fmt::Debug for Lookups {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Lookups")
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::atomic::{AtomicUsize, Ordering};
    use std::sync::mpsc;
    use std::time::Duration;
    use tokio::time::timeout;

    const PATIENCE: Duration = Duration::from_secs(5);

    /// A resolver with numbered answers, each released by the test.
    struct Gated {
        lookups: Lookups,
        queries: Arc<AtomicUsize>,
        go: mpsc::Sender<()>,
        answered: tokio::sync::mpsc::UnboundedReceiver<()>,
    }

    impl Gated {
        fn new() -> Self {
            let (go, gate) = mpsc::channel();
            let (done, answered) = tokio::sync::mpsc::unbounded_channel();
            let (gate, queries) = (Mutex::new(gate), Arc::<AtomicUsize>::default());
            let count = Arc::clone(&queries);
            let lookups = Lookups::by(move |_, port| {
                let nth = count.fetch_add(1, Ordering::SeqCst) + 1;
                let opened = gate.lock().unwrap().recv_timeout(PATIENCE);
                opened.map_err(io::Error::other)?;
                let _ = done.send(());
                let last = u8::try_from(nth).unwrap();
                Ok(vec![SocketAddr::from(([10, 0, 0, last], port))])
            });
            Self {
                lookups,
                queries,
                go,
                answered,
            }
        }

        /// Gives up a dial before there is an answer.
        async fn give_up(&self) {
            let early = timeout(Duration::ZERO, self.lookups.resolve("greeter", 80)).await;
            assert!(early.is_err(), "{early:?}");
        }

        async fn resolve(&self) -> String {
            let resolved = timeout(PATIENCE, self.lookups.resolve("greeter", 80)).await;
            resolved.unwrap().unwrap()[0].to_string()
        }

        fn queries(&self) -> usize {
            self.queries.load(Ordering::SeqCst)
        }
    }

    /// Awaits the blocking task itself: its answer has arrived, and no caller has taken it.
    async fn has_arrived(gated: &mut Gated) {
        let answered = timeout(PATIENCE, gated.answered.recv()).await;
        answered.unwrap().unwrap();
        let lookup = gated.lookups.lock().clone().unwrap();
        timeout(PATIENCE, lookup).await.unwrap();
    }

    #[tokio::test]
    async fn an_answer_that_arrived_before_the_dial_is_not_used() {
        let mut gated = Gated::new();
        gated.give_up().await;
        gated.go.send(()).unwrap();
        has_arrived(&mut gated).await;

        gated.go.send(()).unwrap();
        assert_eq!(gated.resolve().await, "10.0.0.2:80");
        assert_eq!(gated.queries(), 2);
    }

    #[tokio::test]
    async fn a_lookup_in_flight_is_joined_and_there_is_never_another() {
        let gated = Gated::new();
        for _ in 0..3 {
            gated.give_up().await;
        }
        // The dial has begun before the answer arrives.
        let (resolved, ()) = tokio::join!(gated.resolve(), async {
            gated.go.send(()).unwrap();
        });
        assert_eq!((resolved.as_str(), gated.queries()), ("10.0.0.1:80", 1));
        // The next dial starts a new lookup.
        gated.go.send(()).unwrap();
        assert_eq!(gated.resolve().await, "10.0.0.2:80");
    }

    #[tokio::test]
    async fn a_refusal_names_the_host() {
        let lookups = Lookups::by(|_, _| Err(io::ErrorKind::NotFound.into()));
        let refused = lookups.resolve("greeter", 80).await.unwrap_err();
        assert_eq!(refused.to_string(), "greeter: entity not found");
    }
}
