//! A gRPC client that calls any path.

use std::net::SocketAddr;

use http::uri::PathAndQuery;
use micro_debug::pb::{HealthRequest, HealthResponse};
use tonic::client::Grpc;
use tonic::transport::{Channel, Endpoint};
use tonic::{Request, Status};
use tonic_prost::ProstCodec;

/// Opens a connection.
pub(crate) async fn connect(address: SocketAddr) -> Grpc<Channel> {
    let endpoint = Endpoint::from_shared(format!("http://{address}")).unwrap();
    Grpc::new(endpoint.connect().await.unwrap())
}

/// Calls the method at a path and returns the status of its answer.
pub(crate) async fn status(mut client: Grpc<Channel>, path: &str) -> Result<String, Status> {
    client.ready().await.unwrap();
    let path: PathAndQuery = path.parse().unwrap();
    let codec = ProstCodec::<HealthRequest, HealthResponse>::default();
    let request = Request::new(HealthRequest::default());
    let response = client.unary(request, path, codec).await?;
    Ok(response.into_inner().status)
}
