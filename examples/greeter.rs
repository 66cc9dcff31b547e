//! A Rust program that is a micro service: it answers `Debug.Health`, and in a pod it is in
//! go-micro's registry until it stops.
//!
//! ```sh
//! cargo run --example greeter -- 127.0.0.1:9091
//! cargo run -- --server_name=greeter --server_address=localhost:9091
//! curl -i http://localhost:8080/health
//! ```
//!
//! In a pod, with a Role that allows get or list, and patch, of pods:
//!
//! ```sh
//! greeter 0.0.0.0:9091 --registry=kubernetes
//! ```

use std::net::SocketAddr;

use anyhow::Context as _;
use clap::Parser as _;
use hyper_util::rt::{TokioExecutor, TokioIo};
use hyper_util::server::conn::auto;
use hyper_util::service::TowerToHyperService;
use micro_health::Identity;
use micro_health::cluster::Cluster;
use micro_health::debug::DebugService;
use micro_health::registry::{Node, Registry, Schemes, Service};
use tokio::net::TcpListener;
use tokio::signal::unix::{SignalKind, signal};
use tokio::task::JoinSet;

#[derive(clap::Parser)]
struct Args {
    #[arg(default_value = "127.0.0.1:9091")]
    listen: SocketAddr,

    /// kubernetes registers the service in its pod; none does not
    #[arg(long, default_value = "none", value_parser = ["kubernetes", "none"])]
    registry: String,

    /// micro.mu, go.micro, or both
    #[arg(long = "register_scheme", default_value = "micro.mu")]
    schemes: Schemes,
}

/// A registration, with the parts that are needed to remove it.
struct Registration {
    registry: Registry,
    pod: String,
    service: Service,
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> anyhow::Result<()> {
    let args = Args::parse();
    let mut terminated = signal(SignalKind::terminate())?;
    let listener = TcpListener::bind(args.listen).await?;
    // A program that is unhealthy calls `health.set("no database")`.
    let (_health, service) = micro_health::debug::service();
    // The listener is bound first, because clients may call as soon as the service is registered.
    let registration = match args.registry.as_str() {
        "kubernetes" => Some(Registration::new(args.schemes, listener.local_addr()?).await?),
        _ => None,
    };
    tokio::select! {
        never = serve(listener, service) => never?,
        interrupted = tokio::signal::ctrl_c() => interrupted?,
        _ = terminated.recv() => {}
    }
    if let Some(Registration {
        registry,
        pod,
        service,
    }) = registration
    {
        registry.deregister(&pod, &service).await?;
    }
    Ok(())
}

impl Registration {
    async fn new(schemes: Schemes, listens: SocketAddr) -> anyhow::Result<Self> {
        let cluster = Cluster::from_env().await?;
        let Identity { pod, uid, .. } = Identity::from_env(&cluster)?;
        let ip = std::env::var("POD_IP").context("set POD_IP by the downward API")?;
        let address = SocketAddr::new(ip.parse()?, listens.port());
        let id = format!("greeter-{}", uid.as_deref().unwrap_or(&pod));
        let node = Node::new(id, address.to_string()).with("protocol", "grpc");
        let service = Service::new("greeter").node(node);
        let registry = Registry::of(&cluster).schemes(schemes);
        registry.register(&pod, &service).await?;
        Ok(Self {
            registry,
            pod,
            service,
        })
    }
}

async fn serve(listener: TcpListener, service: DebugService) -> anyhow::Result<()> {
    let mut connections = JoinSet::new();
    loop {
        let (stream, _) = listener.accept().await?;
        stream.set_nodelay(true)?;
        let service = TowerToHyperService::new(service.clone());
        connections.spawn(async move {
            let server = auto::Builder::new(TokioExecutor::new()).http2_only();
            server.serve_connection(TokioIo::new(stream), service).await
        });
        while connections.try_join_next().is_some() {}
    }
}
