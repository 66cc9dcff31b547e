//! The checked micro service, with the states that it can be in.

use std::net::SocketAddr;
use std::sync::Arc;

use hyper::service::Service as _;
use hyper_util::rt::{TokioExecutor, TokioIo};
use hyper_util::server::conn::auto;
use hyper_util::service::TowerToHyperService;
use micro_health::debug::{self, DebugService, Health};
use tokio::net::{TcpListener, TcpSocket, TcpStream};
use tokio::sync::watch;
use tokio::task::JoinSet;

/// The greeter, running or not.
pub(crate) struct Greeter {
    address: SocketAddr,
    health: Option<Health>,
    hangs: Arc<watch::Sender<bool>>,
    tasks: JoinSet<()>,
}

// === impl Greeter ===

impl Greeter {
    /// Chooses an address and listens nowhere yet.
    pub(crate) async fn reserve() -> anyhow::Result<Self> {
        let address = TcpListener::bind("127.0.0.1:0").await?.local_addr()?;
        Ok(Self {
            address,
            health: None,
            hangs: Arc::new(watch::Sender::new(false)),
            tasks: JoinSet::new(),
        })
    }

    pub(crate) fn address(&self) -> SocketAddr {
        self.address
    }

    /// Listens and serves `Debug.Health`.
    pub(crate) fn start(&mut self) {
        let listener = TcpSocket::new_v4().and_then(|socket| {
            socket.set_reuseaddr(true)?;
            socket.bind(self.address)?;
            socket.listen(1024)
        });
        let listener = listener.expect("the reserved address must still be free");
        let (health, service) = debug::service();
        self.health = Some(health);
        let hangs = Arc::clone(&self.hangs);
        self.tasks.spawn(async move {
            let service = TowerToHyperService::new(service);
            // Connections die with the task that accepted them.
            let mut connections = JoinSet::new();
            while let Ok((stream, _)) = listener.accept().await {
                let _ = stream.set_nodelay(true);
                connections.spawn(serve(stream, service.clone(), hangs.subscribe()));
            }
        });
    }

    /// Sets the status of every later answer.
    pub(crate) fn set_status(&mut self, status: &str) {
        if let Some(health) = &self.health {
            health.set(status);
        }
    }

    /// Starts or ends a hang: requests are accepted and not answered.
    pub(crate) fn hang(&mut self, hangs: bool) {
        self.hangs.send_replace(hangs);
    }

    /// Closes the listener and every connection.
    pub(crate) fn die(&mut self) {
        self.tasks = JoinSet::new();
    }
}

async fn serve(
    stream: TcpStream,
    service: TowerToHyperService<DebugService>,
    hangs: watch::Receiver<bool>,
) {
    let service = hyper::service::service_fn(move |request| {
        let (service, mut hangs) = (service.clone(), hangs.clone());
        async move {
            let _ = hangs.wait_for(|hangs| !hangs).await;
            service.call(request).await
        }
    });
    let server = auto::Builder::new(TokioExecutor::new()).http2_only();
    let _ = server.serve_connection(TokioIo::new(stream), service).await;
}
