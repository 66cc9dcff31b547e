//! Clients on a thread of their own, so that neither the service nor the prober waits for them.

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::thread::{self, JoinHandle};
use std::time::Duration;

use futures_util::FutureExt as _;
use futures_util::future::BoxFuture;
use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio::runtime::Builder;
use tokio::sync::oneshot;
use tokio::task::JoinSet;
use tokio::time;

/// The wait of a client before it reconnects. With it, a thousand clients that are hung up on at
/// once open 2,000 connections a second.
const PAUSE: Duration = Duration::from_millis(500);

/// The wait after a failed connection, also for a client without a pause.
const AFTER_FAILURE: Duration = Duration::from_millis(10);

/// The size of one write of a flood: large, so that the writer is not the bottleneck.
const WRITE: usize = 64 << 10;

/// The behaviour of a client on one connection. The client gets its number within the attack.
#[derive(Clone)]
pub struct Client(Arc<dyn Fn(TcpStream, usize) -> BoxFuture<'static, ()> + Send + Sync>);

/// A number of clients, each of which reconnects when the sidecar has hung up.
#[derive(Clone)]
pub struct Attack {
    clients: usize,
    pause: Duration,
    client: Client,
}

/// An attack under way. Dropping it closes its connections and ends its thread.
#[derive(Debug)]
pub struct Running {
    end: Option<oneshot::Sender<()>>,
    thread: Option<JoinHandle<()>>,
}

// === impl Client ===

impl Client {
    pub fn new<F>(client: impl Fn(TcpStream, usize) -> F + Send + Sync + 'static) -> Self
    where
        F: Future<Output = ()> + Send + 'static,
    {
        Self(Arc::new(move |stream, n| client(stream, n).boxed()))
    }

    /// Sends these bytes, then waits for the sidecar to hang up.
    pub fn sending(bytes: impl Into<Vec<u8>>) -> Self {
        Self::pouring(bytes, Vec::new())
    }

    /// Sends `start`, then `again` for as long as the sidecar takes it, and reads every answer.
    pub fn pouring(start: impl Into<Vec<u8>>, again: impl AsRef<[u8]>) -> Self {
        let (start, again) = (start.into().into(), many(again.as_ref()));
        Self::new(move |mut stream, _| {
            let (start, again) = (Arc::clone(&start), Arc::clone(&again));
            async move {
                let (mut reading, mut writing) = stream.split();
                tokio::select! {
                    () = drain(&mut reading) => {}
                    () = pour(&mut writing, &start, &again) => {}
                }
            }
        })
    }

    /// Sends `start`, then `again` for as long as the sidecar takes it, and reads no answer.
    pub fn pouring_blindly(start: impl Into<Vec<u8>>, again: impl AsRef<[u8]>) -> Self {
        let (start, again) = (start.into().into(), many(again.as_ref()));
        Self::new(move |mut stream, _| {
            let (start, again) = (Arc::clone(&start), Arc::clone(&again));
            async move { pour(&mut stream, &start, &again).await }
        })
    }

    /// Sends `start`, then one byte of `bytes` per interval, again and again.
    pub fn dripping(start: impl Into<Vec<u8>>, bytes: &'static [u8], each: Duration) -> Self {
        let start: Arc<[u8]> = start.into().into();
        Self::new(move |mut stream, _| {
            let start = Arc::clone(&start);
            async move {
                let (mut reading, mut writing) = stream.split();
                let drip = async {
                    let mut started = writing.write_all(&start).await;
                    let mut tick = time::interval(each);
                    for byte in bytes.iter().cycle() {
                        if started.is_err() {
                            return;
                        }
                        tick.tick().await;
                        started = writing.write_u8(*byte).await;
                    }
                };
                tokio::select! {
                    () = drain(&mut reading) => {}
                    () = drip => {}
                }
            }
        })
    }

    /// Distributes the connections over several behaviours by the client's number.
    pub fn each<const N: usize>(clients: [Self; N]) -> Self {
        Self::new(move |stream, n| (clients[n % N].0)(stream, n))
    }
}

// === impl Attack ===

impl Attack {
    /// Creates an attack whose clients pause before they reconnect.
    pub fn by(clients: usize, client: Client) -> Self {
        Self {
            clients,
            pause: PAUSE,
            client,
        }
    }

    /// Creates an attack whose clients reconnect at once.
    pub fn without_pause(clients: usize, client: Client) -> Self {
        Self {
            pause: Duration::ZERO,
            ..Self::by(clients, client)
        }
    }

    /// Starts the clients.
    pub fn start(&self, sidecar: SocketAddr) -> Running {
        let (end, ended) = oneshot::channel();
        let attack = self.clone();
        let thread = thread::spawn(move || {
            let runtime = Builder::new_current_thread().enable_all().build().unwrap();
            runtime.block_on(async {
                tokio::select! {
                    biased;
                    _ = ended => {}
                    () = attack.run(sidecar) => {}
                }
            });
        });
        Running {
            end: Some(end),
            thread: Some(thread),
        }
    }

    async fn run(self, sidecar: SocketAddr) {
        let mut clients = JoinSet::new();
        for n in 0..self.clients {
            clients.spawn(self.clone().reconnect(sidecar, n));
        }
        while clients.join_next().await.is_some() {}
    }

    /// Connects again and again until the port refuses, because the sidecar has stopped.
    async fn reconnect(self, sidecar: SocketAddr, n: usize) {
        loop {
            match TcpStream::connect(sidecar).await {
                Ok(stream) => (self.client.0)(stream, n).await,
                Err(error) if error.kind() == io::ErrorKind::ConnectionRefused => return,
                Err(_) => time::sleep(AFTER_FAILURE).await,
            }
            if self.pause.is_zero() {
                tokio::task::yield_now().await;
            } else {
                time::sleep(self.pause).await;
            }
        }
    }
}

// === impl Running ===

impl Drop for Running {
    fn drop(&mut self) {
        drop(self.end.take());
        if let Some(thread) = self.thread.take() {
            thread.join().expect("no client may panic");
        }
    }
}

/// Reads until the sidecar hangs up.
pub async fn drain(stream: &mut (impl AsyncRead + Unpin)) {
    let mut ignored = [0; 4096];
    while stream.read(&mut ignored).await.is_ok_and(|read| read > 0) {}
}

async fn pour(stream: &mut (impl AsyncWrite + Unpin), start: &[u8], again: &[u8]) {
    let mut written = stream.write_all(start).await;
    while written.is_ok() {
        if again.is_empty() {
            return std::future::pending().await;
        }
        written = stream.write_all(again).await;
    }
}

fn many(again: &[u8]) -> Arc<[u8]> {
    again.repeat(WRITE / again.len().max(1) + 1).into()
}
