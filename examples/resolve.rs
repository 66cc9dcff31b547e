//! A Rust client of a `kubernetes://` Service, as Go clients have it by kuberesolver.
//!
//! ```sh
//! cargo run --example resolve -- kubernetes:///greeter.shop:grpc
//! ```
//!
//! In a pod it uses the pod's service account; elsewhere it uses the kubeconfig.
#![expect(clippy::print_stdout, reason = "an example talks to a person")]

use std::time::Duration;

use anyhow::Context as _;
use micro_health::cluster::Cluster;
use micro_health::resolver::Resolver;
use micro_health::resolver::channel::Builder;
use tonic_health::pb::HealthCheckRequest;
use tonic_health::pb::health_client::HealthClient;

#[tokio::main(flavor = "current_thread")]
async fn main() -> anyhow::Result<()> {
    let target = std::env::args().nth(1);
    let target = target.context("usage: resolve kubernetes:///service.namespace:port")?;
    let cluster = Cluster::from_env().await?;
    // One resolver watches each Service once, however many channels use it.
    let channel = Builder::new(Resolver::of(&cluster)).connect(&target)?;
    let mut client = HealthClient::new(channel);
    loop {
        let answer = client.check(HealthCheckRequest::default()).await;
        let status = answer.map(|answer| answer.into_inner().status().as_str_name());
        println!("{status:?}");
        tokio::time::sleep(Duration::from_secs(1)).await;
    }
}
