//! An API server that has only `EndpointSlices`: real sockets, lists, and watches that go on.
//!
//! As kube-apiserver does, it accepts 100 concurrent requests on an HTTP/2 connection, and the
//! watches of one Service do not receive the slices of another one.

mod listener;
mod slice;
mod state;

use std::fs;
use std::net::SocketAddr;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::Ordering;

use serde_json::Value;
use tokio::net::TcpListener;
use tokio::task::JoinSet;

pub use self::slice::slice;
use self::state::{Service, State, lock};

/// A running server, which speaks HTTP/2 over TLS. It ends with this value.
#[derive(Debug)]
pub struct SliceServer {
    /// The address on which it listens.
    pub address: SocketAddr,
    /// The certificate of its authority, in PEM.
    ca: String,
    state: Arc<State>,
    _serving: JoinSet<()>,
}

// === impl SliceServer ===

impl SliceServer {
    /// Starts a server.
    pub async fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await;
        let listener = listener.expect("loopback must be free");
        let address = listener.local_addr().expect("it must be bound");
        let (ca, acceptor) = crate::pki::acceptor("slice server");
        let state = Arc::<State>::default();
        let mut serving = JoinSet::new();
        serving.spawn(listener::accept(listener, acceptor, Arc::clone(&state)));
        Self {
            address,
            ca,
            state,
            _serving: serving,
        }
    }

    /// Creates or replaces a slice.
    pub fn set(&self, service: &str, slice: &str, object: Value) {
        let service = self.state.service(service);
        service.send_modify(|service| service.set(slice, object));
    }

    /// Writes the files of a service account with this token.
    pub fn write_account(&self, folder: &Path, token: &str) {
        for (name, text) in [
            ("token", token),
            ("ca.crt", &self.ca),
            ("namespace", "shop"),
        ] {
            fs::write(folder.join(name), text).expect("a temporary folder must be writable");
        }
    }

    /// Accepts only this token from now on.
    pub fn accept_only(&self, token: &str) {
        *lock(&self.state.token) = Some(token.to_owned());
    }

    /// Ends the watches of a Service, as every watch ends after some minutes.
    pub fn end_watches(&self, service: &str) {
        let service = self.state.service(service);
        service.send_modify(Service::end_watches);
    }

    /// Closes every connection, as a server that is killed. It accepts the next ones.
    pub fn close_connections(&self) {
        lock(&self.state.open).abort_all();
    }

    /// Returns the number of connections that were accepted so far.
    pub fn connections(&self) -> usize {
        self.state.connections.load(Ordering::Relaxed)
    }

    /// Returns the number of requests so far.
    pub fn requests(&self) -> usize {
        self.state.requests.load(Ordering::Relaxed)
    }

    /// Returns the number of requests that were refused for their token.
    pub fn refused(&self) -> usize {
        self.state.refused.load(Ordering::Relaxed)
    }

    /// Waits until this number of watches has begun.
    pub async fn has_watches(&self, count: usize) {
        let mut watches = self.state.watches.subscribe();
        let begun = watches.wait_for(|begun| *begun >= count).await;
        begun.expect("the sender must live as long as the server");
    }
}
