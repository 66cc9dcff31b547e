//! preStop hooks of a pod that is being deleted that the watch does not find.

use std::net::SocketAddr;

use testkit::kubelet;
use testkit::pod_server::PodServer;
use testkit::process::command;
use tokio::time::Instant;

use super::*;

/// A time that is shorter than `--drain`.
const AT_ONCE: Duration = Duration::from_secs(3);

/// Starts a sidecar whose service is away. Its API server refuses every list.
async fn unregistered(pod: &PodServer) -> (Process, Service) {
    let busy = refusal(503, &json!({}));
    let script = pod.faulty(move |request| (request.verb == Verb::List).then(|| busy.clone()));
    let api = Service::start(script).await;
    let away = SocketAddr::from(([127, 0, 0, 1], 1));
    let mut command = command(PROGRAM);
    command
        .args(["--health_address=127.0.0.1:0", "--log_format=json"])
        .args(["--registry=kubernetes", "--server_name=greeter"])
        .arg(format!("--server_address={away}"))
        .arg(format!("--registry_address=http://{}", api.address))
        .args(["--server_advertise=10.1.0.112:9090", "--drain=4s"])
        .env("POD_NAME", POD);
    (Process::spawn(command).await, api)
}

async fn prestop(sidecar: &Process) -> (u16, String) {
    let limit = Duration::from_secs(10);
    let answer = kubelet::get(sidecar.address, "/prestop", "*/*", limit).await;
    (answer.status, answer.body)
}

#[tokio::test]
async fn the_hook_of_a_pod_with_nothing_registered_is_answered_at_once() {
    let pod = PodServer::new();
    let (mut sidecar, _api) = unregistered(&pod).await;
    pod.terminate();
    let started = Instant::now();
    let answer = prestop(&sidecar).await;
    let log = sidecar.log(1).await;
    assert_eq!(answer, (200, "DEREGISTERED".to_owned()), "{log:#?}");
    assert!(started.elapsed() < AT_ONCE, "{:?}", started.elapsed());
    sidecar.logged("The registration has ended").await;
}
