//! Services over TLS, healthy and faulty.

mod certificate;
#[cfg(feature = "kubernetes")]
mod endpoints;
mod files;
mod service;
mod tonic;

use std::fs;
use std::path::PathBuf;

use rustls::HandshakeKind;
use rustls::version::{TLS12, TLS13};
use tempfile::TempDir;
use testkit::pki::Authority;
use tokio::io::AsyncReadExt as _;
use tokio::net::TcpListener;

use self::service::{Serve, Service, Wire};
use crate::operated::Operated;

const LOCAL: &[&str] = &["127.0.0.1", "localhost"];

/// A folder of PEM files for one test.
struct Folder(TempDir);

impl Folder {
    fn new() -> Self {
        Self(tempfile::tempdir().unwrap())
    }

    fn write(&self, name: &str, pem: &str) {
        fs::write(self.0.path().join(name), pem).unwrap();
    }

    fn path(&self, file: &str) -> PathBuf {
        self.0.path().join(file)
    }

    fn flag(&self, flag: &str, file: &str) -> String {
        format!("--{flag}={}", self.path(file).display())
    }

    /// Writes a file and returns the flag that names it.
    fn with(&self, flag: &str, pem: &str) -> String {
        let name = format!("{flag}.pem");
        self.write(&name, pem);
        self.flag(flag, &name)
    }
}

fn flags(service: &Service, protocol: &str, more: &[&str]) -> Vec<String> {
    let mut flags = vec![
        format!("--server_address={}", service.address),
        format!("--protocol={protocol}"),
    ];
    flags.extend(more.iter().map(|flag| (*flag).to_owned()));
    flags
}

async fn sidecar(service: &Service, protocol: &str, more: &[&str]) -> Operated {
    Operated::start(&flags(service, protocol, more)).await
}

#[tokio::test]
async fn each_wire_offers_its_own_alpn_or_none() {
    let (folder, authority) = (Folder::new(), Authority::new("ca"));
    let pair = authority.issue(LOCAL);
    let ca = folder.with("tls_ca_cert", &authority.pem());
    for wire in Wire::ALL {
        for alpn in [&[][..], &[wire.alpn()], &["h2", "http/1.1"]] {
            let serve = Serve {
                alpn,
                ..Serve::new(&pair)
            };
            let service = Service::start(wire, &serve).await;
            for protocol in [wire.name(), "auto"] {
                let sidecar = sidecar(&service, protocol, &["--tls", &ca]).await;
                for _ in 0..2 {
                    let context = format!("{wire:?} {alpn:?} {protocol}");
                    sidecar.is_healthy(&context).await;
                }
            }
        }
    }
}

#[tokio::test]
async fn no_handshake_resumes_an_earlier_one() {
    // The server offers resumption, but a resumed handshake would show no certificate to verify.
    let (folder, authority) = (Folder::new(), Authority::new("ca"));
    let pair = authority.issue(LOCAL);
    let ca = folder.with("tls_ca_cert", &authority.pem());
    for versions in [&[&TLS12][..], &[&TLS13]] {
        let serve = Serve {
            versions,
            ..Serve::new(&pair)
        };
        let service = Service::start(Wire::Mucp, &serve).await;
        let sidecar = sidecar(&service, "mucp", &["--tls", &ca]).await;
        for _ in 0..3 {
            sidecar.is_healthy("mucp").await;
        }
        let handshakes = service.handshakes();
        let full = |kind: &HandshakeKind| *kind != HandshakeKind::Resumed;
        assert!(
            handshakes.len() == 3 && handshakes.iter().all(full),
            "{handshakes:?}"
        );
    }
}

#[tokio::test]
async fn a_service_that_refuses_the_http_of_a_fixed_protocol_is_a_protocol_error() {
    let (folder, authority) = (Folder::new(), Authority::new("ca"));
    let pair = authority.issue(LOCAL);
    let ca = folder.with("tls_ca_cert", &authority.pem());
    for (wire, wrong, text) in [
        (Wire::Grpc, "mucp", "the service speaks HTTP/2"),
        (Wire::Mucp, "grpc", "the service's TLS refuses HTTP/2"),
    ] {
        let serve = Serve {
            alpn: &[wire.alpn()],
            ..Serve::new(&pair)
        };
        let service = Service::start(wire, &serve).await;
        let sidecar = sidecar(&service, wrong, &["--tls", &ca]).await;
        sidecar.is_unhealthy(wrong, "protocol", 500, text).await;
    }
}

#[tokio::test]
async fn tls_at_one_end_only_has_another_reason_than_a_dead_service() {
    let pair = Authority::new("ca").issue(LOCAL);
    for wire in Wire::ALL {
        for protocol in [wire.name(), "auto"] {
            let context = format!("{wire:?} {protocol}");
            let secured = Service::start(wire, &Serve::new(&pair)).await;
            let plain = sidecar(&secured, protocol, &[]).await;
            let text = "the service speaks TLS, but --tls is not set";
            plain.is_unhealthy(&context, "tls", 502, text).await;

            let unsecured = Service::plain(wire).await;
            let tls = sidecar(&unsecured, protocol, &["--tls", "--tls_no_verify"]).await;
            let text = "the service does not speak TLS, but --tls is set";
            tls.is_unhealthy(&context, "tls", 502, text).await;
        }
    }
}

#[tokio::test]
async fn a_service_that_hangs_up_silently_may_require_tls() {
    // grpc-go closes like this on bytes that are no handshake.
    let silent = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = silent.local_addr().unwrap();
    tokio::spawn(async move {
        while let Ok((mut stream, _)) = silent.accept().await {
            let _ = stream.read_u8().await;
        }
    });
    for protocol in ["grpc", "mucp", "auto"] {
        let address = format!("--server_address={address}");
        let flags = [address.clone(), format!("--protocol={protocol}")];
        let plain = Operated::start(&flags).await;
        let text = "; does the service want --tls?";
        plain.is_unhealthy(protocol, "unreachable", 503, text).await;

        let tls = ["--tls", "--tls_no_verify"].map(str::to_owned);
        let tls = Operated::start(&[&flags[..], &tls].concat()).await;
        let text = "; does the service speak TLS?";
        tls.is_unhealthy(protocol, "unreachable", 503, text).await;
    }
}

#[tokio::test]
async fn the_deadline_covers_the_handshake() {
    let silent = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let sidecar = Operated::start(&[
        format!("--server_address={}", silent.local_addr().unwrap()),
        "--tls".to_owned(),
        "--tls_no_verify".to_owned(),
        "--check_timeout=200ms".to_owned(),
    ])
    .await;
    let text = "no answer within 200ms, in the TLS handshake";
    sidecar.is_unhealthy("silent", "deadline", 504, text).await;
}
