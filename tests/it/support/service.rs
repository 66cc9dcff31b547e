//! What the sidecar asks: a port, and a script for each connection it accepts.

use std::net::SocketAddr;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use futures_util::future::BoxFuture;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use tokio::task::{JoinHandle, JoinSet};

use super::within;

/// What a service does with one connection.
#[derive(Clone)]
pub struct Script(Arc<dyn Fn(TcpStream) -> BoxFuture<'static, ()> + Send + Sync>);

/// A service on loopback.
#[derive(Debug)]
pub struct Service {
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

/// Counts what happened, and waits for it.
#[derive(Clone, Debug, Default)]
pub struct Count(Arc<(AtomicUsize, tokio::sync::Notify)>);

// === impl Script ===

impl Script {
    pub fn new<F>(script: impl Fn(TcpStream) -> F + Send + Sync + 'static) -> Self
    where
        F: Future<Output = ()> + Send + 'static,
    {
        Self(Arc::new(move |stream| Box::pin(script(stream))))
    }

    /// Plays it on a connection.
    pub async fn play(&self, stream: TcpStream) {
        (self.0)(stream).await;
    }
}

impl std::fmt::Debug for Script {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Script")
    }
}

// === impl Service ===

impl Service {
    pub async fn start(script: Script) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        Self::on(listener, script)
    }

    /// Starts on a port that was used before.
    pub async fn start_at(address: SocketAddr, script: Script) -> Self {
        Self::on(TcpListener::bind(address).await.unwrap(), script)
    }

    /// Starts accepting on a listener, first of all what waits in its queue.
    pub fn on(listener: TcpListener, script: Script) -> Self {
        let address = listener.local_addr().unwrap();
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

    /// Replaces the program on this port: the connections of the old one are cut.
    pub fn becomes(&self, script: Script) {
        *lock(&self.shared.script) = script;
        lock(&self.shared.open).abort_all();
    }

    /// How many connections were accepted so far.
    pub fn accepted(&self) -> usize {
        *self.accepted.borrow()
    }

    /// Waits until that many connections were accepted.
    pub async fn has_accepted(&mut self, at_least: usize) {
        within(
            "the service to accept",
            self.accepted.wait_for(|accepted| *accepted >= at_least),
        )
        .await
        .unwrap();
    }

    /// Stops listening, and goes on answering on the connections that are open.
    pub async fn stop_listening(&mut self) {
        self.accepting.abort();
        let ended = within("the listener to close", &mut self.accepting).await;
        assert!(ended.is_err_and(|error| error.is_cancelled()));
    }

    /// Ends the service: its port refuses from now on.
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
        lock(&shared.open).spawn((script.0)(stream));
        count.send_modify(|count| *count += 1);
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

// === impl Count ===

impl Count {
    pub fn add(&self) {
        self.0.0.fetch_add(1, Ordering::SeqCst);
        self.0.1.notify_waiters();
    }

    pub fn get(&self) -> usize {
        self.0.0.load(Ordering::SeqCst)
    }

    /// Waits until it has counted that far.
    pub async fn reaches(&self, at_least: usize) {
        let counted = async {
            loop {
                let more = self.0.1.notified();
                if self.get() >= at_least {
                    return;
                }
                more.await;
            }
        };
        within("the count", counted).await;
    }
}
