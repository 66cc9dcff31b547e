//! A Rust program that is a micro service like any other: it answers `Debug.Health`.
//!
//! ```sh
//! cargo run --example greeter -- 127.0.0.1:9091
//! cargo run -- --server_name=greeter --server_address=localhost:9091
//! curl -i http://localhost:8080/health
//! ```

use hyper_util::rt::{TokioExecutor, TokioIo};
use hyper_util::server::conn::auto;
use hyper_util::service::TowerToHyperService;
use tokio::net::TcpListener;
use tokio::task::JoinSet;

#[tokio::main(flavor = "current_thread")]
async fn main() -> anyhow::Result<()> {
    let address = std::env::args()
        .nth(1)
        .unwrap_or_else(|| "127.0.0.1:9091".to_owned());
    let listener = TcpListener::bind(&address).await?;
    // `health.set("degraded")` is how the program says that it is not well.
    let (_health, service) = micro_health::debug::service();
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
