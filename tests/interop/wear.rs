//! What being probed for half a day leaves behind in a service: nothing.

use testkit::PATIENCE;
use tokio::time::{sleep, timeout};

use crate::service::Service;
use crate::sidecar::Sidecar;

/// Probes before the first look: the service's heap finds its size.
const WARM_UP: usize = 2_000;

/// 14 hours of a probe every 5 s.
const PROBES: usize = 10_000;

/// What Go's heap may breathe between two collections, in KiB.
const BREATH: u64 = 4 * 1024;

#[tokio::test]
async fn ten_thousand_grpc_probes_leave_no_trace() {
    leave_no_trace("v5.30.0-grpc").await;
}

#[tokio::test]
async fn ten_thousand_mucp_probes_leave_no_trace() {
    leave_no_trace("v5.30.0-mucp").await;
}

async fn leave_no_trace(cell: &'static str) {
    let service = Service::start(cell, "register").await;
    let sidecar = Sidecar::start(&service, &[]).await;
    probe(&sidecar, WARM_UP).await;
    let (files, resident) = (service.open_files(), service.resident());
    let logs = (service.log(), sidecar.log());

    probe(&sidecar, PROBES).await;
    let closed = timeout(PATIENCE, async {
        // A connection is closed when the service has read its end, which nothing announces.
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
        grown < BREATH,
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
