//! A cluster whose API server is a slice server.

use std::net::SocketAddr;
use std::path::Path;

use micro_health::cluster::Cluster;
use micro_health::cluster::options::Options;

/// Returns the cluster of the server at this address, as a pod with these files reaches it.
pub async fn cluster(address: SocketAddr, account: &Path) -> Cluster {
    let url = format!("https://{address}");
    let options = Options {
        registry_address: Some(url.parse().expect("an address must make a URL")),
        registry_namespace: None,
        service_account: account.to_owned(),
    };
    let cluster = Cluster::new(&options, |_| None).await;
    cluster.expect("the account's files must be readable")
}
