//! What the kubelet makes of the sidecar's answers, with its own prober packages and its default timeout.
//!
//! Whatever the target does, the kubelet must hear a status, never that it gave up waiting: its message is
//! all that `kubectl describe pod` shows. The table is left beside the build, in `kubelet-prober.txt`.

use std::sync::Arc;

use tokio::sync::Semaphore;
use tokio::task::JoinSet;

use crate::hostile::{Fault, Hostile};
use crate::prober::{self, Outcome};
use crate::report;
use crate::service::Service;
use crate::sidecar::Sidecar;

/// A target, and the statuses `?code=reason` may have with `--protocol` at auto, mucp and grpc.
type Row = (Target, [Statuses; 3]);
type Statuses = &'static [u16];

#[derive(Clone, Copy, Debug)]
enum Target {
    Cell(&'static str, &'static str),
    Fault(Fault),
}

const PROTOCOLS: [&str; 3] = ["auto", "mucp", "grpc"];

/// The questions to each sidecar; the second one's status is in the table.
const PATHS: [&str; 4] = ["/health", "/healthz?code=reason", "/readyz", "/livez"];

const OK: Statuses = &[200];
const NO_DEBUG: Statuses = &[501];
const UNREACHABLE: Statuses = &[503];
const DEADLINE: Statuses = &[504];
const PROTOCOL: Statuses = &[500];

/// Whether its bytes or its reset is seen first.
const RACE: Statuses = &[500, 503];

/// gRPC to a mucp server: its h2c answer is mostly lost, and once in a while the handler is asked.
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

/// Rows walked at once: more of them would eat into the 0.1 s that an answer may be late.
const AT_ONCE: usize = 2;

#[tokio::test]
async fn the_kubelet_hears_a_status_whatever_the_target_does() {
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

/// Asks about one target over every protocol. Gives its line of the report, and what is wrong in it.
async fn walk(target: Target, expected: [Statuses; 3]) -> (String, Vec<String>) {
    let (mut cells, mut slowest, mut wrong) = (Vec::new(), 0, Vec::new());
    for (protocol, detailed) in PROTOCOLS.into_iter().zip(expected) {
        let outcomes = target.ask(protocol).await;
        for (path, outcome) in PATHS.into_iter().zip(&outcomes) {
            let allowed = allowed(path, detailed);
            if outcome.gave_up() || !allowed.iter().any(|status| outcome.is_status(*status)) {
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

/// The statuses a path may have where these are the detailed ones.
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

/// One probe after the other, as from one kubelet.
///
/// A probe that gave up is made once more: a busy machine can hold any process up for the 0.1 s that are
/// left, and will not do it twice to the same one. What the sidecar does by itself, it does again.
async fn ask(sidecar: &Sidecar) -> Vec<Outcome> {
    let mut outcomes = Vec::new();
    for path in PATHS {
        let mut outcome = prober::http_get(sidecar.address, path).await;
        if outcome.gave_up() {
            outcome = prober::http_get(sidecar.address, path).await;
            outcome.second = true;
        }
        outcomes.push(outcome);
    }
    outcomes
}
