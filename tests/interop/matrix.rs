//! The matrix of every cell in every mode, with a fixed and with a detected protocol: 13 services
//! × up to 8 faults × 2.

use std::sync::Arc;

use tokio::sync::Semaphore;
use tokio::task::JoinSet;

use crate::expected::{self, Expected};
use crate::kubelet;
use crate::report::{self, Verdicts};
use crate::service::Service;
use crate::sidecar::Sidecar;

/// The number of services at once. A start costs tens of milliseconds of a core, and a hung
/// service 0.9 s of waiting. More services would delay answers, which may be late by 0.1 s only.
const AT_ONCE: usize = 4;

#[tokio::test]
async fn every_generation_gets_its_expected_verdict() {
    let slots = Arc::new(Semaphore::new(AT_ONCE));
    let mut questions = JoinSet::new();
    for (cell, mode, expected) in expected::pairs() {
        for protocol in [expected::wire(cell), "auto"] {
            let slots = Arc::clone(&slots);
            questions.spawn(async move {
                let _slot = slots.acquire().await.expect("the semaphore must stay open");
                let (verdict, complaints) = ask(cell, mode, protocol, expected).await;
                (cell, mode, protocol, verdict, complaints)
            });
        }
    }

    let mut fixed = Verdicts::new();
    let mut auto = Verdicts::new();
    let mut wrong = Vec::new();
    while let Some(answer) = questions.join_next().await {
        let (cell, mode, protocol, verdict, complaints) = match answer {
            Ok(answer) => answer,
            Err(panic) => {
                wrong.push(panic.to_string());
                continue;
            }
        };
        let found = if protocol == "auto" {
            &mut auto
        } else {
            &mut fixed
        };
        found.insert((cell, mode), verdict);
        for complaint in complaints {
            wrong.push(format!("{cell} {mode} --protocol={protocol}: {complaint}"));
        }
    }
    report::publish("interop-matrix.txt", &report::render(&fixed, &auto));
    wrong.sort();
    assert!(wrong.is_empty(), "{wrong:#?}");
}

/// Checks one service in all three ways at once, so that they share one check, and then once more
/// with what the sidecar has kept or learned. Returns the verdict, and the errors in it.
async fn ask(
    cell: &'static str,
    mode: &'static str,
    protocol: &str,
    expected: Expected,
) -> (String, Vec<String>) {
    let service = Service::start(cell, mode).await;
    let sidecar = Sidecar::start(&service, &[&format!("--protocol={protocol}")]).await;
    let (health, detailed, explained) = tokio::join!(
        sidecar.probe("/health"),
        sidecar.probe("/healthz?code=reason"),
        sidecar.explain(),
    );
    let again = sidecar.explain().await;

    let reason = explained.reason();
    let healthy = reason.is_none();
    let compat = if healthy {
        (200, "OK")
    } else {
        (500, "NOT_HEALTHY")
    };
    let mut complaints = Vec::new();
    let mut require = |holds: bool, complaint: String| {
        if !holds {
            complaints.push(complaint);
        }
    };
    require(
        expected.allows(reason.as_deref()),
        format!("{reason:?}, not {expected:?}"),
    );
    require(
        expected.allows(again.reason().as_deref()),
        format!("then {:?}, not {expected:?}", again.reason()),
    );
    require(
        (health.status, health.body.as_str()) == compat,
        format!("/health: {health:?}"),
    );
    require(
        explained.status == if healthy { 200 } else { 503 },
        format!("/healthz: {explained:?}"),
    );
    require(
        detailed_status(expected) == Some(detailed.status),
        format!("?code=reason: {detailed:?}"),
    );
    for answer in [health, detailed, explained, again] {
        require(
            answer.took < kubelet::TIMEOUT,
            format!("took {:?}", answer.took),
        );
    }
    (reason.unwrap_or_else(|| "OK".to_owned()), complaints)
}

fn detailed_status(expected: Expected) -> Option<u16> {
    match expected {
        Expected::Absent => None,
        Expected::Healthy => Some(expected::detailed_status(None)),
        Expected::Unhealthy(reason) => Some(expected::detailed_status(Some(reason))),
    }
}
