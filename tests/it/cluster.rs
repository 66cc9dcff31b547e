//! A cluster whose API server is a slice server.

use std::net::SocketAddr;
use std::path::Path;

use micro_health::cluster::Cluster;

/// Returns the cluster of the server at this address, as a pod with these files reaches it.
pub async fn cluster(address: SocketAddr, account: &Path) -> Cluster {
    let url = format!("https://{address}");
    let cluster = Cluster::builder()
        .api_server(url.parse().expect("an address must make a URL"))
        .service_account(account)
        .build()
        .await;
    cluster.expect("the account's files must be readable")
}
