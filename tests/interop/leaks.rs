//! The resources that a service loses after half a day of probes: none.

use testkit::PATIENCE;
use tokio::time::{sleep, timeout};

use crate::service::Service;
use crate::sidecar::Sidecar;

/// The number of probes before the first measurement, in which the service's heap finds its size.
const WARM_UP: usize = 2_000;

/// The number of probes in 14 hours, one every 5 s.
const PROBES: usize = 10_000;

/// The tolerance in KiB for the changes of Go's heap between two collections.
const TOLERANCE: u64 = 4 * 1024;

#[tokio::test]
async fn ten_thousand_grpc_probes_leak_nothing() {
    leak_nothing("v5.30.0-grpc").await;
}

#[tokio::test]
async fn ten_thousand_mucp_probes_leak_nothing() {
    leak_nothing("v5.30.0-mucp").await;
}

async fn leak_nothing(cell: &'static str) {
    let service = Service::start(cell, "register").await;
    let sidecar = Sidecar::start(&service, &[]).await;
    probe(&sidecar, WARM_UP).await;
    let (files, resident) = (service.open_files(), service.resident());
    let logs = (service.log(), sidecar.log());

    probe(&sidecar, PROBES).await;
    let closed = timeout(PATIENCE, async {
        // A connection is closed once the service has read its end, for which there is no event.
        while service.open_files() > files {
            sleep(std::time::Duration::from_millis(10)).await;
        }
    });
    let grown = service.resident().saturating_sub(resident);
    assert!(
        closed.await.is_ok(),
        "{} files, not {files}",
        service.open_files()
    );
    assert!(
        grown < TOLERANCE,
        "{grown} KiB more than the {resident} after the warm-up"
    );
    let logs_now = (service.log(), sidecar.log());
    assert_eq!(logs_now, logs, "neither side must log a healthy probe");
}

async fn probe(sidecar: &Sidecar, times: usize) {
    for _ in 0..times {
        let answer = sidecar.probe("/health").await;
        assert_eq!((answer.status, answer.body.as_str()), (200, "OK"));
    }
}
