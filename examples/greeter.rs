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
use micro_health::cluster::Cluster;
use micro_health::cluster::credentials::Credentials;
use micro_health::debug::DebugService;
use micro_health::registration::identity::Identity;
use micro_health::registration::options::{Kind, Options};
use micro_health::registry::Registry;
use micro_health::registry::record::{Node, Service};
use tokio::net::TcpListener;
use tokio::task::JoinSet;

#[derive(clap::Parser)]
struct Args {
    #[arg(default_value = "127.0.0.1:9091")]
    listen: SocketAddr,

    #[command(flatten)]
    registry: Options,
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
    let listener = TcpListener::bind(args.listen).await?;
    // A program that is not well calls `health.set("degraded")`.
    let (_health, service) = micro_health::debug::service();
    // The listener is bound first: clients may call as soon as the service is registered.
    let registration = match args.registry.registry {
        Kind::None => None,
        Kind::Kubernetes => Some(Registration::new(&args.registry, listener.local_addr()?).await?),
    };
    tokio::select! {
        never = serve(listener, service) => never?,
        interrupted = tokio::signal::ctrl_c() => interrupted?,
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
    async fn new(options: &Options, listens: SocketAddr) -> anyhow::Result<Self> {
        let variable = |name: &str| std::env::var_os(name);
        let cluster = Cluster::new(&options.cluster, variable).await?;
        let token = cluster.credentials().map(Credentials::token).transpose()?;
        let identity = Identity::find(options.pod_name.as_deref(), token.as_deref(), variable)?;
        let ip = std::env::var("POD_IP").context("set POD_IP by the downward API")?;
        let service = Service {
            name: "greeter".to_owned(),
            version: options.server_version.clone(),
            metadata: None,
            endpoints: Some(Vec::new()),
            nodes: Some(vec![Node {
                id: format!(
                    "greeter-{}",
                    identity.uid.as_deref().unwrap_or(&identity.pod)
                ),
                address: SocketAddr::new(ip.parse()?, listens.port()).to_string(),
                metadata: Some([("protocol".to_owned(), "grpc".to_owned())].into()),
            }]),
        };
        let registry = Registry::new(
            cluster.client(),
            cluster.namespace(),
            options.register_scheme,
        );
        registry.register(&identity.pod, &service).await?;
        Ok(Self {
            registry,
            pod: identity.pod,
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
