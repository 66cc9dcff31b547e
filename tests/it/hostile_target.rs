//! The hostile services: every probe gets 500 with the right reason within the kubelet's second.
//! The next probe gets 200 as soon as a healthy service has the port.
//!
//! The tests write the times to hostile-target.txt in cargo's folder for such files (target/tmp).

use std::fmt::Write as _;
use std::net::SocketAddr;
use std::sync::Mutex;

use futures_util::{StreamExt as _, future, stream};
use testkit::client::Answer;
use testkit::process::Process;
use testkit::service::{Script, Service};
use testkit::{NAME, kubelet, scripts};
use tokio::net::{TcpSocket, TcpStream};
use tokio::time::{self, Duration};

use crate::PROGRAM;
use crate::sidecar::Sidecar;
mod breaking_http2;
mod breaking_mucp;
mod foreign;
mod hanging_up;
mod silent;

const AUTO: &str = "auto";
pub const GRPC: &str = "grpc";
pub const MUCP: &str = "mucp";
const HEALTH: &str = "grpc-health";

const ALL: [&str; 4] = [AUTO, GRPC, MUCP, HEALTH];

/// The protocols over HTTP/2, and auto, which finds them.
const H2: [&str; 3] = [AUTO, GRPC, HEALTH];
const HTTP1: [&str; 2] = [AUTO, MUCP];

const DEADLINE: &str = "deadline";
const UNREACHABLE: &str = "unreachable";
const PROTOCOL: &str = "protocol";
const TLS: &str = "tls";
const NOT_SERVING: &str = "not_serving";

/// A hostile service under one `--protocol`, and the expected reason.
#[derive(Clone, Debug)]
struct Case {
    name: &'static str,
    protocol: &'static str,
    reason: &'static str,
    script: Script,
}

fn cases(
    protocols: &[&'static str],
    reason: &'static str,
    scripts: Vec<(&'static str, Script)>,
) -> Vec<Case> {
    let case = |(name, script): (_, Script)| {
        protocols.iter().map(move |protocol| Case {
            name,
            protocol,
            reason,
            script: script.clone(),
        })
    };
    scripts.into_iter().flat_map(case).collect()
}

/// Returns a healthy service of this protocol.
pub fn well(protocol: &str) -> Script {
    match protocol {
        MUCP => scripts::mucp(),
        HEALTH => scripts::grpc_health(&[NAME]),
        _ => scripts::grpc(),
    }
}

/// The rows of the table: the case, its protocol, milliseconds and reason.
static TABLE: Mutex<Vec<String>> = Mutex::new(Vec::new());

/// Adds a row to the table, and asserts the rules of every case.
pub fn record(case: &str, protocol: &str, answer: &Answer, reason: &str) {
    let row = format!("{case:<40} {protocol:<12} {:>6.1?}  {reason}", answer.took);
    assert_eq!(answer.status_and_body(), (500, "NOT_HEALTHY"), "{row}");
    assert!(answer.took < kubelet::TIMEOUT, "{row}");
    let mut table = TABLE.lock().unwrap();
    table.push(row);
    table.sort();
    let text = table.iter().fold(String::new(), |mut text, row| {
        let _ = writeln!(text, "{row}");
        text
    });
    std::fs::write(
        concat!(env!("CARGO_TARGET_TMPDIR"), "/hostile-target.txt"),
        text,
    )
    .unwrap();
}

/// Returns the verdict and the reason. Probes once more if the first answer came too late because
/// this machine was busy.
pub async fn explained(sidecar: SocketAddr) -> (Answer, String) {
    let explained = kubelet::explain(sidecar).await;
    if explained.0.took < kubelet::TIMEOUT {
        return explained;
    }
    kubelet::explain(sidecar).await
}

async fn survive(case: Case) {
    let Case {
        name,
        protocol,
        reason: expected,
        script,
    } = case;
    let service = Service::start(script).await;
    let sidecar = Sidecar::start(service.address, &[&format!("--protocol={protocol}")]).await;

    let (answer, reason) = explained(sidecar.address).await;

    record(name, protocol, &answer, &reason);
    assert_eq!(reason, expected, "{name} {protocol}");
    service.replace_script(well(protocol));
    let answer = sidecar.probe("/health").await;
    assert_eq!(answer.status_and_body(), (200, "OK"), "{name} {protocol}");
}

/// Runs the cases. Cases that wait for the deadline run a few at a time.
async fn survive_all(at_once: usize, cases: Vec<Case>) {
    stream::iter(cases)
        .for_each_concurrent(at_once, survive)
        .await;
}

#[tokio::test]
async fn a_silent_service_is_a_deadline() {
    survive_all(9, silent::all()).await;
}

#[tokio::test]
async fn a_service_that_hangs_up_is_unreachable() {
    survive_all(1, hanging_up::all()).await;
}

#[tokio::test]
async fn a_service_of_another_protocol_is_a_protocol_error() {
    survive_all(1, foreign::all()).await;
}

#[tokio::test]
async fn a_service_that_breaks_http_2_is_a_protocol_error() {
    survive_all(1, breaking_http2::all()).await;
}

#[tokio::test]
async fn a_service_that_breaks_mucp_is_a_protocol_error() {
    survive_all(1, breaking_mucp::all()).await;
}

#[tokio::test]
async fn a_service_that_refuses_is_unreachable() {
    for protocol in ALL {
        let address = Service::start(well(protocol)).await.stop().await;
        let sidecar = Sidecar::start(address, &[&format!("--protocol={protocol}")]).await;

        let (answer, reason) = sidecar.explain().await;

        record("refuses connections", protocol, &answer, &reason);
        assert_eq!(reason, "unreachable");
        let _service = Service::start_at(address, well(protocol));
        assert_eq!(
            sidecar.probe("/health").await.status_and_body(),
            (200, "OK")
        );
    }
}

#[tokio::test]
async fn a_black_hole_is_a_deadline() {
    let socket = TcpSocket::new_v4().unwrap();
    socket.bind("127.0.0.1:0".parse().unwrap()).unwrap();
    let listener = socket.listen(1).unwrap();
    let address = listener.local_addr().unwrap();
    // Connections complete until the queue is full; the kernel drops later ones.
    let mut queue = Vec::new();
    while let Ok(connected) =
        time::timeout(Duration::from_millis(100), TcpStream::connect(address)).await
    {
        queue.push(connected.unwrap());
    }
    let sidecars = future::join_all(ALL.map(|protocol| async move {
        let sidecar = Sidecar::start(address, &[&format!("--protocol={protocol}")]).await;
        let (answer, reason) = explained(sidecar.address).await;
        record("black hole", protocol, &answer, &reason);
        assert_eq!(reason, "deadline");
        (protocol, sidecar)
    }))
    .await;

    let mut service = Service::on(listener, well("auto"));
    service.has_accepted(queue.len()).await;

    for (protocol, sidecar) in sidecars {
        service.replace_script(well(protocol));
        assert_eq!(
            sidecar.probe("/health").await.status_and_body(),
            (200, "OK"),
            "{protocol}"
        );
    }
}

#[tokio::test]
async fn a_thousand_bad_answers_leave_nothing_behind() {
    const ANSWERS: usize = 1_000;
    // Debug builds and the allocator's caches vary by less than this.
    const TOLERANCE_KIB: usize = 3 << 10;
    let quick = [
        hanging_up::all(),
        foreign::all(),
        breaking_http2::all(),
        breaking_mucp::all(),
    ]
    .concat();
    let service = Service::start(well(AUTO)).await;
    for protocol in [GRPC, MUCP] {
        let flag = format!("--protocol={protocol}");
        let sidecar = Process::start(PROGRAM, service.address, &[&flag]).await;
        let bad: Vec<_> = quick
            .iter()
            .filter(|case| case.protocol == protocol)
            .collect();
        let round = async || {
            for case in &bad {
                service.replace_script(case.script.clone());
                assert_eq!(sidecar.probe("/health").await.status, 500, "{}", case.name);
            }
            service.replace_script(well(protocol));
            assert_eq!(sidecar.probe("/health").await.status, 200);
        };
        // The first round allocates the memory that stays.
        round().await;
        let (descriptors, memory) = (sidecar.descriptors(), sidecar.memory());

        for _ in 0..ANSWERS.div_ceil(bad.len()) {
            round().await;
        }

        sidecar.closes_descriptors(descriptors).await;
        let grown = sidecar.memory().saturating_sub(memory);
        assert!(
            grown < TOLERANCE_KIB,
            "{protocol}: {grown} KiB more than {memory}"
        );
    }
}
