//! As many connections to an API server as the requests under way need.
//!
//! ```text
//! request ──▶ the first lane with a free seat ──▶ one connection, 100 requests at once
//! ```
//!
//! kube-apiserver takes 100 requests at once on an HTTP/2 connection, and a watch is one
//! that lasts for minutes. hyper's client keeps one connection and lets all others wait on
//! it: who watches a hundred Services would never hear of the next.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use http::{Request, Response};
use hyper::body::Incoming;
use hyper_util::client::legacy::{Client, Error};
use hyper_util::rt::{TokioExecutor, TokioTimer};
use kube::client::Body;

use crate::cluster::connector::Connector;

/// Requests at once on one connection. kube-apiserver's default (1.36,
/// `http2-max-streams-per-connection`), and the least that RFC 9113 recommends.
const SEATS: usize = 100;

/// Between two questions on a silent HTTP/2 connection whether the server is there, and
/// for the answer: a watch may say nothing for minutes, and hang as quietly.
const PING: Duration = Duration::from_secs(15);

/// The connections to one API server.
#[derive(Clone, Debug)]
pub(super) struct Lanes {
    connector: Connector,
    lanes: Arc<Mutex<Vec<Arc<Lane>>>>,
}

/// One connection over HTTP/2; over HTTP/1.1 as many as it takes.
#[derive(Debug)]
struct Lane {
    client: Client<Connector, Body>,
    /// Whether a request need not wait for another to open the connection: hyper's client
    /// would open one for each, and throw all but one away.
    is_open: AtomicBool,
    opening: tokio::sync::Mutex<()>,
}

/// A request's place, until its answer has been read.
#[derive(Debug)]
pub(super) struct Seat(Arc<Lane>);

// === impl Lanes ===

impl Lanes {
    /// Connects at the first request.
    pub(super) fn new(connector: Connector) -> Self {
        Self {
            connector,
            lanes: Arc::default(),
        }
    }

    /// Takes a place.
    pub(super) fn seat(&self) -> Seat {
        let mut lanes = self.lanes.lock().unwrap_or_else(PoisonError::into_inner);
        // Each request counts as one that holds its lane.
        let taken = |lane: &Arc<Lane>| Arc::strong_count(lane) - 1;
        let counts: Vec<_> = lanes.iter().map(taken).collect();
        lanes.truncate(needed(&counts));
        let free = counts.iter().position(|taken| *taken < SEATS);
        if let Some(lane) = free.and_then(|free| lanes.get(free)) {
            return Seat(Arc::clone(lane));
        }
        let lane = Arc::new(Lane::new(self.connector.clone()));
        lanes.push(Arc::clone(&lane));
        Seat(lane)
    }
}

/// How many lanes are kept: all up to the last that is used, and the first.
fn needed(taken: &[usize]) -> usize {
    let used = taken.iter().rposition(|taken| *taken > 0);
    used.map_or(1, |last| last + 1)
}

// === impl Lane ===

impl Lane {
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
        }
    }
}

// === impl Seat ===

impl Seat {
    /// Sends a request, and brings the head of its answer.
    ///
    /// # Errors
    ///
    /// That of the connection.
    pub(super) async fn send(&self, request: Request<Body>) -> Result<Response<Incoming>, Error> {
        let Lane {
            client,
            is_open,
            opening,
        } = &*self.0;
        let mut alone = None;
        if !is_open.load(Ordering::Relaxed) {
            alone = Some(opening.lock().await);
        }
        if is_open.load(Ordering::Relaxed) {
            alone = None;
        }
        let answer = client.request(request).await;
        is_open.store(answer.is_ok(), Ordering::Relaxed);
        drop(alone);
        answer
    }

    /// The connection broke: the next request opens it alone.
    pub(super) fn lost(&self) {
        self.0.is_open.store(false, Ordering::Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_hundred_requests_share_a_lane_and_the_next_has_another() {
        let lanes = Lanes::new(Connector::new(None));
        let count = || lanes.lanes.lock().unwrap().len();
        let mut seats: Vec<_> = (0..SEATS).map(|_| lanes.seat()).collect();
        assert_eq!(count(), 1);
        let other = lanes.seat();
        assert_eq!(count(), 2);
        // The first place that is free.
        seats.pop();
        let again = lanes.seat();
        assert!(Arc::ptr_eq(&again.0, &seats[0].0));
        assert!(!Arc::ptr_eq(&again.0, &other.0));
        drop((seats, again));
        let _seat = lanes.seat();
        assert_eq!(count(), 2);
        drop(other);
        let _seat = lanes.seat();
        assert_eq!(count(), 1);
    }

    #[test]
    fn lanes_behind_the_last_that_is_used_are_given_up() {
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
