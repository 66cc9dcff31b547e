//! A whole tonic service that go-micro clients and the health sidecar can check.
//!
//! It is healthy while its database accepts connections, and it stops gracefully on SIGTERM, as
//! Kubernetes stops a pod, and on SIGINT, as Ctrl-C does.
//!
//! ```sh
//! cargo run --package micro-debug --example service -- 127.0.0.1:9091 127.0.0.1:5432
//! health --server_name=greeter --server_address=localhost:9091
//! ```

#![expect(
    clippy::print_stdout,
    reason = "a person or a test waits for the address"
)]

use std::error::Error;
use std::time::Duration;

use micro_debug::Health;
use tokio::net::TcpStream;
use tokio::signal::unix::{SignalKind, signal};
use tokio::time;
use tonic::transport::Server;
use tonic::transport::server::TcpIncoming;

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Box<dyn Error>> {
    let mut arguments = std::env::args().skip(1);
    let listen = arguments.next().unwrap_or("127.0.0.1:9091".to_owned());
    let database = arguments.next().unwrap_or("127.0.0.1:5432".to_owned());

    // Handlers come first: a signal that arrives early must not kill the process.
    let mut terminated = signal(SignalKind::terminate())?;
    let mut interrupted = signal(SignalKind::interrupt())?;

    let (health, debug) = micro_debug::service();
    tokio::spawn(watch(database, health));

    let incoming = TcpIncoming::bind(listen.parse()?)?.with_nodelay(Some(true));
    println!("listening on {}", incoming.local_addr()?);
    Server::builder()
        // .add_service(GreeterServer::new(greeter))
        .add_service(debug)
        .serve_with_incoming_shutdown(incoming, async {
            tokio::select! {
                _ = terminated.recv() => {}
                _ = interrupted.recv() => {}
            }
        })
        .await?;
    println!("stopped");
    Ok(())
}

/// Sets the health to what connecting to the database says, every second.
async fn watch(database: String, health: Health) {
    const PERIOD: Duration = Duration::from_secs(1);
    loop {
        match time::timeout(PERIOD, TcpStream::connect(&database)).await {
            Ok(Ok(_)) => health.set("ok"),
            Ok(Err(error)) => health.set(format!("no database: {error}")),
            Err(_) => health.set("no database: no answer in time"),
        }
        time::sleep(PERIOD).await;
    }
}
