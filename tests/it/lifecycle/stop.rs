//! The stop by signals: its order, and the grace period.

use std::io::Write as _;

use testkit::client::{Connection, End, get};
use testkit::frames as h2;
use testkit::process::{self, Process};
use testkit::scripts::{self, debug_service, silent};
use testkit::service::{Count, Service};
use testkit::{NAME, within};
use tokio::net::TcpStream;
use tokio::process::Command;

use crate::PROGRAM;
use crate::sidecar::Sidecar;

#[tokio::test]
async fn sigterm_and_sigint_exit_with_0() {
    for signal in ["TERM", "INT"] {
        let service = Service::start(scripts::grpc()).await;
        let mut sidecar = Process::start(PROGRAM, service.address, &[]).await;
        // An idle connection of each kind must not delay the stop.
        let mut idle = sidecar.connect().await;
        assert_eq!(idle.get("/health").await.status, 200);
        let mut never_asked = sidecar.connect().await;
        // This connection is accepted after the idle ones.
        assert_eq!(sidecar.probe("/livez").await.status, 200);
        sidecar.signal(signal).await;
        assert_eq!(sidecar.exit().await.code(), Some(0), "{signal}");
        assert_eq!(idle.end().await.1, End::Fin);
        assert_eq!(never_asked.end().await.1, End::Fin);
    }
}

#[tokio::test]
async fn a_request_in_flight_is_answered_while_readiness_is_gone() {
    let mut service = Service::start(silent()).await;
    let flags = ["--protocol=grpc", "--check_timeout=2s", "--grace_period=5s"];
    let mut sidecar = Process::start(PROGRAM, service.address, &flags).await;
    let mut in_flight = sidecar.connect().await;
    in_flight.send(get("/health")).await;
    let mut waiting = sidecar.connect().await;
    waiting.send(get("/readyz")).await;
    service.has_accepted(1).await;

    sidecar.signal("TERM").await;
    sidecar.logged("Stopping").await;

    assert_eq!(
        sidecar.probe("/readyz").await.status_and_body(),
        (503, "DRAINING")
    );
    assert_eq!(sidecar.probe("/livez").await.status, 200);
    assert_eq!(
        in_flight.answer().await.status_and_body(),
        (500, "NOT_HEALTHY")
    );
    // Its wait began before the drain, and its answer must not invite traffic.
    assert_eq!(waiting.answer().await.status_and_body(), (503, "DRAINING"));
    assert_eq!(sidecar.exit().await.code(), Some(0));
}

#[tokio::test]
async fn a_request_in_flight_gets_the_verdict_of_a_healthy_service() {
    let calls = Count::default();
    let (_health, script) = debug_service(&calls);
    let service = Service::start(script).await;
    let mut sidecar = Process::start(PROGRAM, service.address, &["--protocol=grpc"]).await;
    let address = sidecar.address;
    let asking = tokio::spawn(async move {
        let mut connection = Connection::open(address).await;
        let mut answers = 0;
        loop {
            if connection.try_send(get("/health")).await.is_err() {
                return answers;
            }
            let Some(answer) = connection.try_answer().await else {
                return answers;
            };
            assert_eq!(answer.status_and_body(), (200, "OK"));
            answers += 1;
        }
    });
    calls.reaches(50).await;
    sidecar.signal("TERM").await;
    assert_eq!(sidecar.exit().await.code(), Some(0));
    assert!(within("the last answer", asking).await.unwrap() >= 49);
}

#[tokio::test]
async fn a_second_signal_exits_at_once() {
    for (first, second) in [("TERM", "TERM"), ("TERM", "INT"), ("INT", "INT")] {
        let mut service = Service::start(silent()).await;
        // Both times are longer than the test waits.
        let flags = ["--check_timeout=1m", "--grace_period=1m"];
        let mut sidecar = Process::start(PROGRAM, service.address, &flags).await;
        let mut in_flight = sidecar.connect().await;
        in_flight.send(get("/health")).await;
        service.has_accepted(1).await;
        sidecar.signal(first).await;
        sidecar.logged("Stopping").await;
        sidecar.signal(second).await;
        assert_eq!(sidecar.exit().await.code(), Some(1), "{first} {second}");
    }
}

#[tokio::test]
async fn the_grace_period_ends_unfinished_requests() {
    let mut service = Service::start(silent()).await;
    let flags = ["--check_timeout=1m", "--grace_period=200ms"];
    let mut sidecar = Process::start(PROGRAM, service.address, &flags).await;
    let mut in_flight = sidecar.connect().await;
    in_flight.send(get("/health")).await;
    service.has_accepted(1).await;
    sidecar.signal("TERM").await;
    assert_eq!(sidecar.exit().await.code(), Some(0));
    sidecar
        .logged("Grace period ended; stopping before all work has finished")
        .await;
}

#[tokio::test]
async fn frozen_clients_do_not_delay_the_stop() {
    let service = Service::start(scripts::grpc()).await;
    let flags = ["--protocol=grpc", "--grace_period=1m"];
    let mut sidecar = Process::start(PROGRAM, service.address, &flags).await;
    let half_a_head = "GET /health HTTP/1.1\r\nHost:";
    let never_reads = get("/health").repeat(10_000);
    let never_says_goodbye = [
        h2::PREFACE,
        &h2::settings(&[]),
        &h2::headers(h2::END_STREAM, 1, &h2::GET_HEALTH),
    ]
    .concat();
    let mut frozen = Vec::new();
    for start in [
        half_a_head.as_bytes(),
        never_reads.as_bytes(),
        &never_says_goodbye,
    ] {
        let stream = TcpStream::connect(sidecar.address).await.unwrap();
        // Sends as much as fits: a client that does not read cannot send forever.
        let _ = stream.try_write(start);
        frozen.push(stream);
    }
    assert_eq!(sidecar.probe("/health").await.status, 200);
    sidecar.signal("TERM").await;
    assert_eq!(sidecar.exit().await.code(), Some(0));
}

/// Returns a command to run as process 1, with mounts of its own. A PID namespace needs a user
/// namespace, which containers often refuse.
fn unshared() -> Command {
    let mut command = process::command("unshare");
    command
        .env("PATH", std::env::var_os("PATH").unwrap_or_default())
        .args(["--user", "--map-root-user", "--mount"])
        .args(["--pid", "--fork", "--mount-proc"]);
    command
}

/// Decides whether such a namespace is possible here. In CI it must be.
async fn may_unshare(test: &str) -> bool {
    let allowed = within("unshare", unshared().arg("true").output()).await;
    if allowed.as_ref().is_ok_and(|output| output.status.success()) {
        return true;
    }
    let needs = "needs `unshare` of util-linux and leave to make user namespaces";
    assert!(
        std::env::var_os("CI").is_none(),
        "{test} {needs}: {allowed:?}"
    );
    let _ = writeln!(std::io::stderr(), "{test} has not run: it {needs}");
    false
}

/// Returns whether a process handles both signals and has a blocked thread, as during a lookup.
fn is_resolving(pid: u32) -> bool {
    const BOTH: u64 = 1 << (15 - 1) | 1 << (2 - 1);
    let status = std::fs::read_to_string(format!("/proc/{pid}/status")).unwrap_or_default();
    let mut lines = status.lines();
    let caught = lines.find_map(|line| line.strip_prefix("SigCgt:"));
    let caught = caught.and_then(|mask| u64::from_str_radix(mask.trim(), 16).ok());
    let threads = std::fs::read_dir(format!("/proc/{pid}/task")).map_or(0, Iterator::count);
    caught.unwrap_or_default() & BOTH == BOTH && threads > 1
}

#[tokio::test]
async fn a_signal_during_a_slow_lookup_exits_even_as_process_1() {
    if !may_unshare("a_signal_during_a_slow_lookup_exits_even_as_process_1").await {
        return;
    }
    for signal in ["TERM", "INT"] {
        // The resolver opens /etc/hosts, which is a pipe here that is never written.
        let folder = tempfile::tempdir().unwrap();
        let hosts = folder.path().join("hosts");
        let made = within("mkfifo", Command::new("mkfifo").arg(&hosts).status()).await;
        assert!(made.unwrap().success());
        let mut command = unshared();
        command
            .args(["sh", "-c", "mount --bind \"$0\" /etc/hosts && exec \"$@\""])
            .arg(&hosts)
            .arg(PROGRAM)
            .args(["--health_address=slow.example:0", "--server_address=:1"])
            .arg(format!("--server_name={NAME}"));
        let mut sidecar = command.spawn().unwrap();
        let first = within("the lookup", async {
            loop {
                let child = process::only_child(sidecar.id().unwrap());
                if let Some(child) = child.filter(|child| is_resolving(*child)) {
                    return child;
                }
                tokio::task::yield_now().await;
            }
        })
        .await;

        process::signal(first, signal).await;

        let status = within("the sidecar to exit", sidecar.wait()).await.unwrap();
        assert_eq!(status.code(), Some(0), "{signal}");
    }
}

#[tokio::test]
async fn process_1_stops_on_a_signal() {
    if !may_unshare("process_1_stops_on_a_signal").await {
        return;
    }
    for signal in ["TERM", "INT"] {
        let service = Service::start(scripts::grpc()).await;
        let mut command = unshared();
        command
            .arg(PROGRAM)
            .args(["--health_address=127.0.0.1:0", "--log_format=json"])
            .arg(format!("--server_name={NAME}"))
            .arg(format!("--server_address={}", service.address));
        let mut sidecar = Process::spawn(command).await;
        assert_eq!(sidecar.probe("/health").await.status, 200);
        let first = process::only_child(sidecar.pid()).unwrap();
        process::signal(first, signal).await;
        assert_eq!(sidecar.exit().await.code(), Some(0), "{signal}");
    }
}

#[tokio::test]
async fn the_library_stops_on_its_signal_stream() {
    let service = Service::start(scripts::grpc()).await;
    let sidecar = Sidecar::start(service.address, &[]).await;
    assert_eq!(sidecar.probe("/health").await.status, 200);
    sidecar.stop().await.unwrap();
}
