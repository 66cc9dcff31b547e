//! Services without a registered Debug: the generations from v4.10 on do not register it
//! themselves.

use crate::expected;
use crate::service::Service;
use crate::sidecar::Sidecar;

#[tokio::test]
async fn a_service_without_debug_is_healthy_with_without_debug_healthy() {
    for (cell, mode) in expected::bare() {
        let service = Service::start(cell, mode).await;
        for protocol in [expected::wire(cell), "auto"] {
            let protocol = format!("--protocol={protocol}");
            let sidecar = Sidecar::start(&service, &["--without_debug=healthy", &protocol]).await;
            for path in ["/health", "/healthz", "/healthz?code=reason"] {
                let answer = sidecar.probe(path).await;
                assert_eq!(
                    answer.status, 200,
                    "{cell} {mode} {protocol} {path}: {answer:?}"
                );
            }
        }
    }
}
