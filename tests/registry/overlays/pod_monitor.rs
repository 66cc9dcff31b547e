//! What a cluster with Prometheus Operator knows.

use testkit::cluster::ControlPlane;
use tokio::sync::OnceCell;

/// Makes the shared server know the kind, as far as ours goes.
pub async fn are_known() {
    static KNOWN: OnceCell<()> = OnceCell::const_new();
    let known = KNOWN.get_or_init(|| async {
        let server = ControlPlane::shared().await;
        let kind = include_str!("pod_monitor.yaml");
        let applied = server.kubectl(&["apply", "--filename=-"], kind).await;
        applied.expect("the kind must be taken");
        let name = "crd/podmonitors.monitoring.coreos.com";
        let wait = ["wait", "--for=condition=Established", "--timeout=15s", name];
        server
            .kubectl(&wait, "")
            .await
            .expect("the kind must be served");
    });
    known.await;
}
