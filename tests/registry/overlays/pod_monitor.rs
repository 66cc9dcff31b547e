//! The kind that a cluster with Prometheus Operator has.

use testkit::cluster::ControlPlane;
use tokio::sync::OnceCell;

/// Defines the kind in the shared server, with the fields that are used here.
pub async fn define() {
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
