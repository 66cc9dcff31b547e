//! A Rust service with the TLS of tonic's own server.

use std::net::SocketAddr;

use micro_health::debug;
use testkit::pki::{Authority, Pair};
use tokio::net::TcpListener;
use tokio::task::JoinHandle;
use tonic::transport::server::TcpIncoming;
use tonic::transport::{Certificate, Identity, Server, ServerTlsConfig};
use tonic_health::ServingStatus::Serving;
use tonic_health::pb::health_server::HealthServer;
use tonic_health::server::{HealthReporter, HealthService};

use super::{Folder, LOCAL};
use crate::operated::Operated;

/// The health service of a server.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum HealthKind {
    /// The server has Debug.Health by `micro_health::debug`, as Rust programs do.
    Debug,
    /// The server has grpc.health.v1 alone.
    Health,
}

/// A tonic server on loopback.
#[derive(Debug)]
pub struct Rust {
    pub address: SocketAddr,
    serving: JoinHandle<Result<(), tonic::transport::Error>>,
}

// === impl HealthKind ===

impl HealthKind {
    const ALL: [Self; 2] = [Self::Debug, Self::Health];

    /// Returns the protocols by which it is healthy.
    fn protocols(self) -> [&'static str; 2] {
        match self {
            Self::Debug => ["grpc", "auto"],
            Self::Health => ["grpc-health", "auto"],
        }
    }

    pub async fn start(self, tls: ServerTlsConfig) -> Rust {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let incoming = TcpIncoming::from(listener);
        let server = Server::builder().tls_config(tls).unwrap();
        let serving = match self {
            Self::Debug => {
                let (_health, service) = debug::service();
                tokio::spawn(server.serve_with_incoming(service, incoming))
            }
            Self::Health => {
                let reporter = HealthReporter::new();
                reporter.set_service_status("", Serving).await;
                let service = HealthServer::new(HealthService::from_health_reporter(reporter));
                tokio::spawn(server.serve_with_incoming(service, incoming))
            }
        };
        Rust { address, serving }
    }
}

// === impl Rust ===

impl Rust {
    async fn sidecar(&self, protocol: &str, flags: &[&str]) -> Operated {
        let mut all = vec![
            format!("--server_address={}", self.address),
            format!("--protocol={protocol}"),
            "--tls".to_owned(),
        ];
        all.extend(flags.iter().map(|flag| (*flag).to_owned()));
        Operated::start(&all).await
    }
}

impl Drop for Rust {
    fn drop(&mut self) {
        self.serving.abort();
    }
}

pub fn tls(pair: &Pair) -> ServerTlsConfig {
    ServerTlsConfig::new().identity(Identity::from_pem(&pair.cert, &pair.key))
}

#[tokio::test]
async fn a_tonic_server_is_verified_by_authority_and_name() {
    let (folder, authority) = (Folder::new(), Authority::new("ca"));
    let ca = folder.with("tls_ca_cert", &authority.pem());
    folder.write("stranger.pem", &Authority::new("stranger").pem());
    let stranger = folder.flag("tls_ca_cert", "stranger.pem");
    let (local, named) = (authority.issue(LOCAL), authority.issue(&["greeter.svc"]));
    for serves in HealthKind::ALL {
        let (here, elsewhere) = (
            serves.start(tls(&local)).await,
            serves.start(tls(&named)).await,
        );
        for protocol in serves.protocols() {
            let context = format!("{serves:?} {protocol}");
            let sidecar = here.sidecar(protocol, &[&ca]).await;
            for _ in 0..2 {
                sidecar.is_healthy(&context).await;
            }
            let sidecar = elsewhere
                .sidecar(protocol, &[&ca, "--tls_server_name=greeter.svc"])
                .await;
            sidecar.is_healthy(&context).await;

            let sidecar = elsewhere.sidecar(protocol, &[&ca]).await;
            let text = "the service's certificate is for greeter.svc, not for 127.0.0.1; see --tls_server_name";
            sidecar.is_unhealthy(&context, "tls", 502, text).await;
            let sidecar = here.sidecar(protocol, &[&stranger]).await;
            let text =
                "the service's certificate is signed by an unknown authority; see --tls_ca_cert";
            sidecar.is_unhealthy(&context, "tls", 502, text).await;
        }
    }
}

#[tokio::test]
async fn a_tonic_server_accepts_the_client_certificate_that_it_requires() {
    let (folder, authority) = (Folder::new(), Authority::new("ca"));
    let (clients, strangers) = (Authority::new("clients"), Authority::new("strangers"));
    let ca = folder.with("tls_ca_cert", &authority.pem());
    let shown = [("good", &clients), ("bad", &strangers)].map(|(name, authority)| {
        let pair = authority.issue(&["sidecar"]);
        let [cert, key] = ["crt", "key"].map(|kind| format!("{name}.{kind}"));
        folder.write(&cert, &pair.cert);
        folder.write(&key, &pair.key);
        [
            folder.flag("tls_client_cert", &cert),
            folder.flag("tls_client_key", &key),
        ]
    });
    let [good, bad] = &shown;
    let asking = tls(&authority.issue(LOCAL)).client_ca_root(Certificate::from_pem(clients.pem()));
    for serves in HealthKind::ALL {
        let service = serves.start(asking.clone()).await;
        for protocol in serves.protocols() {
            let context = format!("{serves:?} {protocol}");
            let sidecar = service.sidecar(protocol, &[&ca, &good[0], &good[1]]).await;
            for _ in 0..2 {
                sidecar.is_healthy(&context).await;
            }
            let sidecar = service.sidecar(protocol, &[&ca]).await;
            let text = "the service wants a client certificate; see --tls_client_cert";
            sidecar.is_unhealthy(&context, "tls", 502, text).await;

            let sidecar = service.sidecar(protocol, &[&ca, &bad[0], &bad[1]]).await;
            let text = "the service refuses the client certificate: ";
            sidecar.is_unhealthy(&context, "tls", 502, text).await;
        }
    }
}
