//! Stopping: by signals, in order, within the grace period.

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
async fn either_signal_ends_it_with_0() {
    for signal in ["TERM", "INT"] {
        let service = Service::start(scripts::grpc()).await;
        let mut sidecar = Process::start(PROGRAM, service.address, &[]).await;
        // An idle connection of each kind holds nothing up.
        let mut idle = sidecar.connect().await;
        assert_eq!(idle.get("/health").await.status, 200);
        let mut never_asked = sidecar.connect().await;
        // Accepted after it.
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
    // It began to wait before the drain, and is not told that it may send traffic.
    assert_eq!(waiting.answer().await.status_and_body(), (503, "DRAINING"));
    assert_eq!(sidecar.exit().await.code(), Some(0));
}

#[tokio::test]
async fn a_request_in_flight_gets_the_verdict_of_a_well_service() {
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
async fn a_second_signal_ends_it_at_once() {
    for (first, second) in [("TERM", "TERM"), ("TERM", "INT"), ("INT", "INT")] {
        let mut service = Service::start(silent()).await;
        // Both are beyond the test's patience.
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
async fn the_grace_period_ends_what_does_not_finish() {
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
async fn clients_that_freeze_do_not_hold_it_up() {
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
        // As much as goes out at once: who does not read cannot send for ever.
        let _ = stream.try_write(start);
        frozen.push(stream);
    }
    assert_eq!(sidecar.probe("/health").await.status, 200);
    sidecar.signal("TERM").await;
    assert_eq!(sidecar.exit().await.code(), Some(0));
}

/// A command to be process 1, with mounts of its own. A PID namespace needs a user namespace,
/// which containers are often refused.
fn unshared() -> Command {
    let mut command = process::command("unshare");
    command
        .env("PATH", std::env::var_os("PATH").unwrap_or_default())
        .args(["--user", "--map-root-user", "--mount"])
        .args(["--pid", "--fork", "--mount-proc"]);
    command
}

/// Whether there can be one here; in CI there must.
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

/// Whether a process listens to both signals and has a thread that blocks, as a lookup does.
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
async fn a_signal_during_a_slow_lookup_ends_it_as_process_1_too() {
    if !may_unshare("a_signal_during_a_slow_lookup_ends_it_as_process_1_too").await {
        return;
    }
    for signal in ["TERM", "INT"] {
        // The resolver opens /etc/hosts, which is a pipe here that nobody writes to.
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
async fn it_stops_as_process_1_too() {
    if !may_unshare("it_stops_as_process_1_too").await {
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
async fn as_a_library_it_stops_when_it_is_told_to() {
    let service = Service::start(scripts::grpc()).await;
    let sidecar = Sidecar::start(service.address, &[]).await;
    assert_eq!(sidecar.probe("/health").await.status, 200);
    sidecar.stop().await.unwrap();
}
