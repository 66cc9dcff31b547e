//! The sidecar's answers under the kubelet's own prober packages and its default timeout.
//!
//! Whatever the target does, the kubelet must get a status and never time out, because `kubectl
//! describe pod` shows only its message. The tests write the table to `kubelet-prober.txt` beside
//! the build.

use std::sync::Arc;

use tokio::sync::Semaphore;
use tokio::task::JoinSet;

use crate::hostile::{Fault, Hostile};
use crate::prober::{self, Outcome};
use crate::report;
use crate::service::Service;
use crate::sidecar::Sidecar;

/// A target, and the possible statuses of `?code=reason` with `--protocol` at auto, mucp and
/// grpc.
type Row = (Target, [Statuses; 3]);
type Statuses = &'static [u16];

#[derive(Clone, Copy, Debug)]
enum Target {
    Cell(&'static str, &'static str),
    Fault(Fault),
}

const PROTOCOLS: [&str; 3] = ["auto", "mucp", "grpc"];

/// The paths to request from each sidecar. The table has the statuses of the second one.
const PATHS: [&str; 4] = ["/health", "/healthz?code=reason", "/readyz", "/livez"];

const OK: Statuses = &[200];
const NO_DEBUG: Statuses = &[501];
const UNREACHABLE: Statuses = &[503];
const DEADLINE: Statuses = &[504];
const PROTOCOL: Statuses = &[500];

/// The statuses of a race: the target's bytes or its reset arrives first.
const RACE: Statuses = &[500, 503];

/// The statuses of gRPC to a mucp server: its h2c answer is mostly lost, but sometimes the
/// handler is called.
const COIN_TOSS: Statuses = &[200, 500];
const LOST_OR_LATE: Statuses = &[500, 504];

#[rustfmt::skip]
const TABLE: [Row; 16] = [
    (Target::Cell("v5.30.0-grpc", "register"),         [OK, PROTOCOL, OK]),
    (Target::Cell("v5.30.0-mucp", "register"),         [OK, OK, COIN_TOSS]),
    (Target::Cell("v5.30.0-grpc", "stock"),            [NO_DEBUG, PROTOCOL, NO_DEBUG]),
    (Target::Cell("v5.30.0-mucp", "hang"),             [DEADLINE, DEADLINE, LOST_OR_LATE]),
    (Target::Fault(Fault::Refuses),                    [UNREACHABLE; 3]),
    (Target::Fault(Fault::AcceptsAndStaysSilent),      [DEADLINE; 3]),
    (Target::Fault(Fault::NeverAccepts),               [DEADLINE; 3]),
    (Target::Fault(Fault::DripsOneByteASecond),        [DEADLINE; 3]),
    (Target::Fault(Fault::ResetsInsideTheHeader),      [UNREACHABLE, UNREACHABLE, RACE]),
    (Target::Fault(Fault::ClosesAfterTheHeader),       [UNREACHABLE, UNREACHABLE, PROTOCOL]),
    (Target::Fault(Fault::ClosesBeforeContentLength),  [UNREACHABLE, UNREACHABLE, PROTOCOL]),
    (Target::Fault(Fault::SendsEndlessHeaders),        [PROTOCOL; 3]),
    (Target::Fault(Fault::AnswersAsAWebServer),        [PROTOCOL; 3]),
    (Target::Fault(Fault::SendsAnSshBanner),           [PROTOCOL; 3]),
    (Target::Fault(Fault::SaysGoAway),                 [UNREACHABLE, PROTOCOL, UNREACHABLE]),
    (Target::Fault(Fault::ResetsInsideTheGrpcAnswer),  [UNREACHABLE, PROTOCOL, UNREACHABLE]),
];

/// The number of rows at once. More of them would delay answers, which may be late by 0.1 s only.
const AT_ONCE: usize = 2;

#[tokio::test]
async fn the_kubelet_gets_a_status_from_every_target() {
    let slots = Arc::new(Semaphore::new(AT_ONCE));
    let mut rows = JoinSet::new();
    for (place, (target, expected)) in TABLE.into_iter().enumerate() {
        let slots = Arc::clone(&slots);
        rows.spawn(async move {
            let _slot = slots.acquire().await.expect("the semaphore must stay open");
            (place, walk(target, expected).await)
        });
    }
    let mut walked = rows.join_all().await;
    walked.sort_by_key(|(place, _)| *place);
    let paths = PATHS.join(" ");
    let mut text = format!(
        "{:<28}{:<18}{:<18}{:<18}slowest   of {paths}; * at the second try\n",
        "", "auto", "mucp", "grpc"
    );
    let mut wrong = Vec::new();
    for (_, (line, complaints)) in walked {
        text += &line;
        wrong.extend(complaints);
    }
    report::publish("kubelet-prober.txt", &text);
    assert!(wrong.is_empty(), "{wrong:#?}");
}

/// Probes one target over every protocol. Returns its line of the report, and the errors in it.
async fn walk(target: Target, expected: [Statuses; 3]) -> (String, Vec<String>) {
    let (mut cells, mut slowest, mut wrong) = (Vec::new(), 0, Vec::new());
    for (protocol, detailed) in PROTOCOLS.into_iter().zip(expected) {
        let outcomes = target.ask(protocol).await;
        for (path, outcome) in PATHS.into_iter().zip(&outcomes) {
            let allowed = allowed(path, detailed);
            if outcome.timed_out() || !allowed.iter().any(|status| outcome.is_status(*status)) {
                let name = target.name();
                wrong.push(format!(
                    "{name} {protocol} {path}: {outcome:?}, not {allowed:?}"
                ));
            }
            slowest = slowest.max(outcome.millis);
        }
        let brief: Vec<_> = outcomes.iter().map(Outcome::brief).collect();
        cells.push(format!("{:<18}", brief.join(" ")));
    }
    let line = format!("{:<28}{}{slowest:>4} ms\n", target.name(), cells.concat());
    (line, wrong)
}

/// Returns the possible statuses of a path, given the detailed ones.
fn allowed(path: &str, detailed: Statuses) -> Vec<u16> {
    let instead = |unhealthy| {
        let plain = move |status: &u16| if *status == 200 { 200 } else { unhealthy };
        detailed.iter().map(plain).collect()
    };
    match path {
        "/livez" => vec![200],
        "/health" => instead(500),
        "/readyz" => instead(503),
        _ => detailed.to_vec(),
    }
}

// === impl Target ===

impl Target {
    fn name(self) -> String {
        match self {
            Self::Cell(cell, mode) => format!("{cell} {mode}"),
            Self::Fault(fault) => format!("{fault:?}"),
        }
    }

    async fn ask(self, protocol: &str) -> Vec<Outcome> {
        let protocol = format!("--protocol={protocol}");
        match self {
            Self::Cell(cell, mode) => {
                let service = Service::start(cell, mode).await;
                ask(&Sidecar::start(&service, &[&protocol]).await).await
            }
            Self::Fault(fault) => {
                let hostile = Hostile::start(fault).await;
                ask(&Sidecar::beside(hostile.address, &[&protocol]).await).await
            }
        }
    }
}

/// Probes one path after the other, as one kubelet would.
///
/// A probe that gave up is made once more: a busy machine can delay a process by the remaining
/// 0.1 s, but hardly twice. A fault of the sidecar itself happens again.
async fn ask(sidecar: &Sidecar) -> Vec<Outcome> {
    let mut outcomes = Vec::new();
    for path in PATHS {
        let mut outcome = prober::http_get(sidecar.address, path).await;
        if outcome.timed_out() {
            outcome = prober::http_get(sidecar.address, path).await;
            outcome.second = true;
        }
        outcomes.push(outcome);
    }
    outcomes
}
