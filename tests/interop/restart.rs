//! The restart of a service.

use tokio::task::JoinSet;

use crate::expected;
use crate::service::Service;
use crate::sidecar::Sidecar;

#[tokio::test]
async fn a_restarted_service_is_healthy_at_the_next_probe() {
    // Cells run one after the other, fixed beside auto: each pair starts four Go services.
    for (cell, mode) in expected::healthy() {
        let mut pair = JoinSet::new();
        for protocol in [expected::wire(cell), "auto"] {
            pair.spawn(outlive(cell, mode, protocol));
        }
        while let Some(outlived) = pair.join_next().await {
            outlived.expect("the sidecar must follow its service");
        }
    }
}

async fn outlive(cell: &'static str, mode: &'static str, protocol: &'static str) {
    let mut service = Service::start(cell, mode).await;
    let sidecar = Sidecar::start(&service, &[&format!("--protocol={protocol}")]).await;
    let context = format!("{cell} {mode} --protocol={protocol}");
    let ok = sidecar.probe("/health").await;
    assert_eq!((ok.status, ok.body.as_str()), (200, "OK"), "{context}");

    service.stop().await;
    let down = sidecar.probe("/health").await;
    assert_eq!(
        (down.status, down.body.as_str()),
        (500, "NOT_HEALTHY"),
        "{context}"
    );
    let reason = sidecar.explain().await.reason();
    assert_eq!(reason.as_deref(), Some("unreachable"), "{context}");

    service.restart().await;
    let ok = sidecar.probe("/health").await;
    assert_eq!(
        (ok.status, ok.body.as_str()),
        (200, "OK"),
        "{context}: {:?}",
        sidecar.log()
    );
}
