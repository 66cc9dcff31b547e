//! A connection pool that opens as many connections to an API server as its requests need.
//!
//! ```text
//! request ──▶ the first connection with a free slot, of 100 ──▶ API server
//! ```
//!
//! kube-apiserver accepts 100 requests at once on an HTTP/2 connection, and a watch is a request
//! that lasts for minutes. The client of hyper keeps one connection, and all other requests wait
//! for it. A caller that watches a hundred Services would then receive no event for the next one.
//!
//! A connection on which a request waited in vain is retired: its other requests go on, and the next
//! request opens another. Without that, every request would wait on a dead connection until a ping
//! notices it, which takes up to half a minute over HTTP/2 and minutes over HTTP/1.1.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use http::{Request, Response};
use hyper::body::Incoming;
use hyper_util::client::legacy::{Client, Error};
use hyper_util::rt::{TokioExecutor, TokioTimer};
use kube::client::Body;
use tokio::time::Instant;

use crate::cluster::connector::Connector;

/// The maximum number of concurrent requests on one connection. This is the default of
/// kube-apiserver (1.36, `http2-max-streams-per-connection`), and the minimum that RFC 9113
/// recommends.
const SLOTS: usize = 100;

/// The interval between two HTTP/2 pings on an idle connection, and the timeout for each answer.
/// A watch may be silent for minutes, and a lost connection is as silent.
const PING: Duration = Duration::from_secs(15);

/// The time after which a caller that gives a request up has waited in vain. Callers also drop
/// requests that they no longer need, at any time.
const IN_VAIN: Duration = Duration::from_secs(1);

/// The connections to one API server.
#[derive(Clone, Debug)]
pub(super) struct ConnectionPool {
    connector: Connector,
    connections: Arc<Mutex<Vec<Arc<PooledConnection>>>>,
}

/// A client that keeps one connection over HTTP/2. Over HTTP/1.1 it opens as many as the
/// requests need.
#[derive(Debug)]
struct PooledConnection {
    client: Client<Connector, Body>,
    /// Tells whether the connection is open. Until it is, requests wait for the one that opens it:
    /// hyper's client would open one connection for each request, and close all but one.
    is_open: AtomicBool,
    opening: tokio::sync::Mutex<()>,
    is_retired: AtomicBool,
}

/// A slot that a request occupies until its answer has been read.
#[derive(Debug)]
pub(super) struct Slot {
    connection: Arc<PooledConnection>,
    /// The time since when the server owes an answer, or the rest of one.
    owed_since: Option<Instant>,
}

// === impl ConnectionPool ===

impl ConnectionPool {
    /// Creates an empty pool, which connects at the first request.
    pub(super) fn new(connector: Connector) -> Self {
        Self {
            connector,
            connections: Arc::default(),
        }
    }

    /// Sends a request. Returns the head of its answer, and the slot that its body occupies.
    ///
    /// # Errors
    ///
    /// Returns the error of the connection.
    pub(super) async fn send(
        &self,
        request: Request<Body>,
    ) -> Result<(Response<Incoming>, Slot), Error> {
        loop {
            let mut slot = self.slot();
            let PooledConnection {
                client,
                is_open,
                opening,
                is_retired,
            } = &*slot.connection;
            let mut alone = None;
            if !is_open.load(Ordering::Relaxed) {
                alone = Some(opening.lock().await);
            }
            if is_retired.load(Ordering::Relaxed) {
                continue;
            }
            if is_open.load(Ordering::Relaxed) {
                alone = None;
            }
            let answer = client.request(request).await;
            is_open.store(answer.is_ok(), Ordering::Relaxed);
            drop(alone);
            slot.owed_since = answer.is_ok().then(Instant::now);
            return answer.map(|answer| (answer, slot));
        }
    }

    /// Takes a free slot, and adds a connection if every slot is taken.
    fn slot(&self) -> Slot {
        let mut connections = self
            .connections
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        connections.retain(|connection| !connection.is_retired.load(Ordering::Relaxed));
        // Each request holds a reference to its connection.
        let taken = |connection: &Arc<PooledConnection>| Arc::strong_count(connection) - 1;
        let counts: Vec<_> = connections.iter().map(taken).collect();
        connections.truncate(needed(&counts));
        let free = counts.iter().position(|taken| *taken < SLOTS);
        if let Some(connection) = free.and_then(|free| connections.get(free)) {
            return Slot::of(connection);
        }
        let connection = Arc::new(PooledConnection::new(self.connector.clone()));
        connections.push(Arc::clone(&connection));
        Slot::of(&connection)
    }
}

/// Returns the number of connections to keep: all up to the last used one, and at least one.
fn needed(taken: &[usize]) -> usize {
    let used = taken.iter().rposition(|taken| *taken > 0);
    used.map_or(1, |last| last + 1)
}

// === impl PooledConnection ===

impl PooledConnection {
    fn new(connector: Connector) -> Self {
        let client = Client::builder(TokioExecutor::new())
            .timer(TokioTimer::new())
            .pool_timer(TokioTimer::new())
            .pool_idle_timeout(Duration::from_mins(1))
            .pool_max_idle_per_host(1)
            .retry_canceled_requests(true)
            .http2_keep_alive_interval(PING)
            .http2_keep_alive_timeout(PING)
            .build(connector);
        Self {
            client,
            is_open: AtomicBool::new(false),
            opening: tokio::sync::Mutex::default(),
            is_retired: AtomicBool::new(false),
        }
    }
}

// === impl Slot ===

impl Slot {
    fn of(connection: &Arc<PooledConnection>) -> Self {
        Self {
            connection: Arc::clone(connection),
            owed_since: Some(Instant::now()),
        }
    }

    /// Records that the server owes nothing: the answer is complete, or it is a watch, which may be
    /// silent.
    pub(super) fn owes_nothing(&mut self) {
        self.owed_since = None;
    }

    /// Records that the connection broke, so that the next request opens it alone.
    pub(super) fn lost(&self) {
        self.connection.is_open.store(false, Ordering::Relaxed);
    }

    /// Keeps the connection from any further request.
    pub(super) fn retire(&self) {
        self.connection.is_retired.store(true, Ordering::Relaxed);
    }
}

impl Drop for Slot {
    /// Retires the connection if its request has waited in vain.
    fn drop(&mut self) {
        if self
            .owed_since
            .is_some_and(|since| since.elapsed() >= IN_VAIN)
        {
            self.retire();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_hundred_requests_share_a_connection_and_the_next_opens_another() {
        let pool = ConnectionPool::new(Connector::new(None));
        let count = || pool.connections.lock().unwrap().len();
        let mut slots: Vec<_> = (0..SLOTS).map(|_| pool.slot()).collect();
        assert_eq!(count(), 1);
        let other = pool.slot();
        assert_eq!(count(), 2);
        // The pool takes the first free slot.
        slots.pop();
        let again = pool.slot();
        assert!(Arc::ptr_eq(&again.connection, &slots[0].connection));
        assert!(!Arc::ptr_eq(&again.connection, &other.connection));
        drop((slots, again));
        let _slot = pool.slot();
        assert_eq!(count(), 2);
        drop(other);
        let _slot = pool.slot();
        assert_eq!(count(), 1);
    }

    #[test]
    fn connections_after_the_last_used_one_are_dropped() {
        for (taken, expected) in [
            (&[][..], 1),
            (&[0], 1),
            (&[100, 1], 2),
            (&[0, 0, 3, 0], 3),
            (&[0, 0], 1),
        ] {
            assert_eq!(needed(taken), expected, "{taken:?}");
        }
    }
}
