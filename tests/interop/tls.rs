//! Services with TLS, in each way that go-micro has for it.

use std::fs;

use testkit::pki::{Authority, Pair};

use crate::expected;
use crate::service::Service;
use crate::sidecar::Sidecar;

/// The cell, the mode in which it is healthy, and its way of TLS: `FIX_TLS` in
/// tests/rig/README.md.
const SECURED: [(&str, &str, &str); 5] = [
    ("v1.8.0-grpc", "stock", "auth"),
    ("v2.9.1-grpc", "stock", "config"),
    ("v5.30.0-grpc", "register", "auth"),
    ("v5.30.0-grpc", "register", "config"),
    ("v5.30.0-mucp", "register", "secure"),
];

struct Files {
    folder: tempfile::TempDir,
}

impl Files {
    fn new(authority: &Authority, pair: &Pair) -> Self {
        let folder = tempfile::tempdir().expect("a temporary directory must be creatable");
        for (name, pem) in [
            ("ca.crt", &authority.pem()),
            ("stranger.crt", &Authority::new("stranger").pem()),
            ("tls.crt", &pair.cert),
            ("tls.key", &pair.key),
        ] {
            fs::write(folder.path().join(name), pem).expect("a file must be writable there");
        }
        Self { folder }
    }

    fn path(&self, name: &str) -> String {
        self.folder.path().join(name).display().to_string()
    }

    fn ca(&self, name: &str) -> String {
        format!("--tls_ca_cert={}", self.path(name))
    }
}

async fn secured(files: &Files, cell: &'static str, mode: &'static str, tls: &str) -> Service {
    let variables = vec![
        ("FIX_TLS", tls.to_owned()),
        ("FIX_CERT", files.path("tls.crt")),
        ("FIX_KEY", files.path("tls.key")),
    ];
    Service::start_with(cell, mode, variables).await
}

#[tokio::test]
async fn every_way_of_tls_is_supported() {
    let authority = Authority::new("ca");
    let files = Files::new(&authority, &authority.issue(&["127.0.0.1"]));
    for (cell, mode, tls) in SECURED {
        let mut service = secured(&files, cell, mode, tls).await;
        for protocol in [expected::wire(cell), "auto"] {
            let context = format!("{cell} {tls} --protocol={protocol}");
            let protocol = format!("--protocol={protocol}");

            let flags = [&protocol, "--tls", &files.ca("ca.crt")];
            let sidecar = Sidecar::start(&service, &flags).await;
            for _ in 0..3 {
                let reason = sidecar.explain().await.reason();
                assert_eq!(reason, None, "{context}: {:?}", sidecar.log());
            }
            service.stop().await;
            let reason = sidecar.explain().await.reason();
            assert_eq!(reason.as_deref(), Some("unreachable"), "{context}");
            service.restart().await;
            let reason = sidecar.explain().await.reason();
            assert_eq!(reason, None, "{context} restarted: {:?}", sidecar.log());

            let flags = [&protocol, "--tls", &files.ca("stranger.crt")];
            let sidecar = Sidecar::start(&service, &flags).await;
            let reason = sidecar.explain().await.reason();
            assert_eq!(reason.as_deref(), Some("tls"), "{context}");
        }
    }
}

#[tokio::test]
async fn tls_at_one_end_only_is_reported() {
    let authority = Authority::new("ca");
    let files = Files::new(&authority, &authority.issue(&["127.0.0.1"]));
    for (cell, mode, tls) in SECURED {
        let service = secured(&files, cell, mode, tls).await;
        let plain = Service::start(cell, mode).await;
        for protocol in [expected::wire(cell), "auto"] {
            let context = format!("{cell} {tls} --protocol={protocol}");
            let protocol = format!("--protocol={protocol}");

            // go-micro's gRPC services hang up without a message, so the log suggests --tls.
            let sidecar = Sidecar::start(&service, &[&protocol]).await;
            let reason = sidecar.explain().await.reason();
            let expected = if cell.ends_with("mucp") {
                "tls"
            } else {
                "unreachable"
            };
            assert_eq!(reason.as_deref(), Some(expected), "{context}: plain to TLS");

            let flags = [&protocol, "--tls", "--tls_no_verify"];
            let sidecar = Sidecar::start(&plain, &flags).await;
            let reason = sidecar.explain().await.reason();
            assert_eq!(reason.as_deref(), Some("tls"), "{context}: TLS to plain");
        }
    }
}

#[tokio::test]
async fn go_micros_own_certificate_is_accepted_without_verification() {
    let authority = Authority::new("ca");
    let files = Files::new(&authority, &authority.issue(&[]));
    let service = secured(&files, "v5.30.0-mucp", "register", "selfsigned").await;
    for protocol in ["--protocol=mucp", "--protocol=auto"] {
        let flags = [protocol, "--tls", "--tls_no_verify"];
        let sidecar = Sidecar::start(&service, &flags).await;
        let reason = sidecar.explain().await.reason();
        assert_eq!(reason, None, "{protocol}: {:?}", sidecar.log());
    }
}
