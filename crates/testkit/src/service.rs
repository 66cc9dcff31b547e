//! A service on loopback: a port, and a script for each connection that it accepts.

mod count;
mod script;

use std::net::SocketAddr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::net::{TcpListener, TcpSocket};
use tokio::sync::watch;
use tokio::task::{JoinHandle, JoinSet};

pub use self::count::Count;
pub use self::script::Script;
use crate::within;

/// The queue of connections that are not yet accepted.
const BACKLOG: u32 = 1024;

/// A running service. It ends with this value.
#[derive(Debug)]
pub struct Service {
    /// The address on which it listens.
    pub address: SocketAddr,
    shared: Arc<Shared>,
    accepted: watch::Receiver<usize>,
    accepting: JoinHandle<()>,
}

#[derive(Debug)]
struct Shared {
    script: Mutex<Script>,
    open: Mutex<JoinSet<()>>,
}

// === impl Service ===

impl Service {
    /// Starts a service on a free port.
    pub async fn start(script: Script) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await;
        Self::on(listener.expect("loopback must have a free port"), script)
    }

    /// Starts a service at an address that was used before.
    pub fn start_at(address: SocketAddr, script: Script) -> Self {
        let listener = TcpSocket::new_v4().and_then(|socket| {
            socket.set_reuseaddr(true)?;
            socket.bind(address)?;
            socket.listen(BACKLOG)
        });
        Self::on(listener.expect("the port must be free again"), script)
    }

    /// Starts to accept on a listener. The connections in its queue are the first.
    pub fn on(listener: TcpListener, script: Script) -> Self {
        let address = listener.local_addr().expect("it must be bound");
        let shared = Arc::new(Shared {
            script: Mutex::new(script),
            open: Mutex::default(),
        });
        let (count, accepted) = watch::channel(0);
        let accepting = tokio::spawn(accept(listener, Arc::clone(&shared), count));
        Self {
            address,
            shared,
            accepted,
            accepting,
        }
    }

    /// Replaces the program on this port. The connections of the old one are closed.
    pub fn replace_script(&self, script: Script) {
        *lock(&self.shared.script) = script;
        lock(&self.shared.open).abort_all();
    }

    /// Returns the number of connections that were accepted so far.
    pub fn accepted(&self) -> usize {
        *self.accepted.borrow()
    }

    /// Waits until at least this number of connections was accepted.
    pub async fn has_accepted(&mut self, at_least: usize) {
        let accepted = self.accepted.wait_for(|accepted| *accepted >= at_least);
        let accepted = within("the service to accept", accepted).await;
        accepted.expect("the service must not have stopped listening");
    }

    /// Closes the listener. The open connections go on.
    pub async fn stop_listening(&mut self) {
        self.accepting.abort();
        let ended = within("the listener to close", &mut self.accepting).await;
        assert!(ended.is_err_and(|error| error.is_cancelled()));
    }

    /// Ends the service, and returns its address, which refuses connections from now on.
    pub async fn stop(self) -> SocketAddr {
        self.accepting.abort();
        let mut open = std::mem::take(&mut *lock(&self.shared.open));
        within("the service to end", open.shutdown()).await;
        self.address
    }
}

impl Drop for Service {
    fn drop(&mut self) {
        self.accepting.abort();
    }
}

async fn accept(listener: TcpListener, shared: Arc<Shared>, count: watch::Sender<usize>) {
    loop {
        let Ok((stream, _)) = listener.accept().await else {
            continue;
        };
        let _ = stream.set_nodelay(true);
        let script = lock(&shared.script).clone();
        lock(&shared.open).spawn(async move { script.play(stream).await });
        count.send_modify(|count| *count += 1);
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
