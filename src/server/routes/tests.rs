//! The HTTP contract as tables.

use std::time::{Duration, SystemTime};

use super::*;
use crate::check::unhealthy::Unhealthy;
use crate::check::verdict::Verdict;
use crate::net::stage::Stage;
use serde_json::{Value, json};

fn check(verdict: Verdict) -> Check {
    let at = SystemTime::UNIX_EPOCH + Duration::from_millis(1_700_000_000_123);
    Check {
        verdict,
        reached: Stage::Waiting,
        took: Duration::from_micros(421),
        at,
        finished: Instant::now(),
    }
}

/// Returns the route of a path, with the targets greeter and payments.
fn route(path: &str) -> Route<'static> {
    let known = ["greeter", "payments"];
    Route::of(path, |name| known.into_iter().find(|it| *it == name))
}

fn reply(path: &str, accept: &str, verdict: Option<Verdict>, expose_errors: bool) -> Reply {
    let (path, query) = path
        .split_once('?')
        .map_or((path, None), |(path, query)| (path, Some(query)));
    let check = verdict.map(check);
    let checks: Vec<_> = check.iter().map(|check| ("greeter", check)).collect();
    let context = ReplyContext {
        name: "greeter",
        checks: &checks,
        now: Instant::now(),
        liveness: Liveness::Serving,
        expose_errors,
        unregistered: false,
    };
    Reply::new(
        route(path),
        ReplyFormat::read(query, Some(accept.as_bytes())),
        &context,
    )
}

fn plain(path: &str, verdict: Option<Verdict>) -> (u16, String) {
    let reply = reply(path, "*/*", verdict, false);
    assert_eq!(reply.content_type, TEXT);
    (
        reply.status.as_u16(),
        String::from_utf8(reply.body.to_vec()).unwrap(),
    )
}

fn deadline() -> Verdict {
    Err(Unhealthy::Deadline(
        Duration::from_millis(900),
        Stage::Connecting,
    ))
}

#[test]
fn each_path_has_its_status_and_body() {
    let answer = |status: u16, body: &str| (status, body.to_owned());
    for (path, healthy, unhealthy, draining) in [
        (
            "/health",
            answer(200, "OK"),
            answer(500, "NOT_HEALTHY"),
            None,
        ),
        (
            "/healthz",
            answer(200, "OK"),
            answer(503, "NOT_HEALTHY"),
            None,
        ),
        (
            "/readyz",
            answer(200, "OK"),
            answer(503, "NOT_HEALTHY"),
            Some(answer(503, "DRAINING")),
        ),
        (
            "/health?code=reason",
            answer(200, "OK"),
            answer(500, "NOT_HEALTHY"),
            None,
        ),
        (
            "/healthz?code=reason",
            answer(200, "OK"),
            answer(504, "NOT_HEALTHY"),
            None,
        ),
        (
            "/readyz?x=1&code=reason",
            answer(200, "OK"),
            answer(504, "NOT_HEALTHY"),
            Some(answer(503, "DRAINING")),
        ),
        (
            "/healthz?code=other",
            answer(200, "OK"),
            answer(503, "NOT_HEALTHY"),
            None,
        ),
    ] {
        assert_eq!(plain(path, Some(Ok(()))), healthy, "{path}");
        assert_eq!(plain(path, Some(deadline())), unhealthy, "{path}");
        assert_eq!(
            route(path.split('?').next().unwrap()).needs_check(true),
            draining.is_none(),
            "{path}"
        );
        if let Some(draining) = draining {
            assert_eq!(plain(path, None), draining, "{path}");
        }
    }
}

#[test]
fn livez_and_unknown_paths_never_check_the_target() {
    assert_eq!(
        plain("/livez", None),
        (200, "sidecar alive, target not asked".into())
    );
    for path in [
        "/",
        "/health/",
        "/HEALTH",
        "/health/nobody",
        "//health",
        "/healthzz",
        "*",
    ] {
        assert_eq!(
            plain(path, None),
            (404, "404 page not found\n".into()),
            "{path}"
        );
        assert!(!route(path).needs_check(false), "{path}");
    }
}

#[test]
fn verbose_names_the_reason() {
    assert_eq!(
        plain("/health?verbose", Some(Ok(()))).1,
        "[+]greeter ok\nhealth check passed\n"
    );
    assert_eq!(
        plain("/healthz?verbose=1", Some(deadline())),
        (
            503,
            "[-]greeter failed: deadline\nhealthz check failed\n".into()
        )
    );
    assert_eq!(
        plain("/readyz?verbose", None).1,
        "[-]sidecar failed: draining\nreadyz check failed\n"
    );
    let exposed = reply("/health?verbose", "", Some(deadline()), true);
    assert_eq!(
        exposed.body,
        "[-]greeter failed: deadline: no answer within 900ms, connecting\nhealth check failed\n"
    );
}

#[test]
fn several_targets_are_healthy_if_each_is() {
    let (up, down) = (check(Ok(())), check(deadline()));
    let reply = |path: &str, checks: &[(&str, &Check)], liveness| {
        let context = ReplyContext {
            name: "greeter",
            checks,
            now: Instant::now(),
            liveness,
            expose_errors: false,
            unregistered: false,
        };
        let (path, query) = path.split_once('?').unwrap_or((path, ""));
        Reply::new(route(path), ReplyFormat::read(Some(query), None), &context)
    };
    let all = [("greeter", &up), ("payments", &down)];
    assert_eq!(reply("/health", &all[..1], Liveness::Serving).status, 200);
    assert_eq!(reply("/health", &all, Liveness::Serving).status, 500);
    assert_eq!(
        reply("/healthz?code=reason", &all, Liveness::Serving).status,
        504
    );
    let verbose = reply("/health?verbose", &all, Liveness::Serving).body;
    assert_eq!(
        verbose,
        "[+]greeter ok\n[-]payments failed: deadline\nhealth check failed\n"
    );
    assert_eq!(
        reply("/health/payments", &all[1..], Liveness::Serving).status,
        500
    );
    assert_eq!(reply("/health/nobody", &[], Liveness::Serving).status, 404);
}

#[test]
fn liveness_may_forgive_a_service_that_answers() {
    let unwell = check(Err(Unhealthy::NotServing("draining".into())));
    let hangs = check(deadline());
    let status = |path, check, liveness| {
        let context = ReplyContext {
            name: "greeter",
            checks: &[("greeter", check)],
            now: Instant::now(),
            liveness,
            expose_errors: false,
            unregistered: false,
        };
        Reply::new(route(path), ReplyFormat::default(), &context)
            .status
            .as_u16()
    };
    for (path, check, liveness, expected) in [
        ("/healthz", &unwell, Liveness::Answers, 200),
        ("/healthz", &unwell, Liveness::Serving, 503),
        ("/healthz", &hangs, Liveness::Answers, 503),
        ("/readyz", &unwell, Liveness::Answers, 503),
        ("/health", &unwell, Liveness::Answers, 500),
    ] {
        assert_eq!(
            status(path, check, liveness),
            expected,
            "{path} {liveness:?}"
        );
    }
}

#[test]
fn json_is_sent_to_clients_that_name_it() {
    for accept in [
        "application/health+json",
        "text/html, Application/Health+JSON;q=0.9, */*",
    ] {
        assert_eq!(
            reply("/health", accept, Some(Ok(())), false).content_type,
            HEALTH_JSON,
            "{accept}"
        );
    }
    for accept in [
        "",
        "*/*",
        "application/*",
        "application/json",
        "xapplication/health+json",
    ] {
        assert_eq!(
            reply("/health", accept, Some(Ok(())), false).content_type,
            TEXT,
            "{accept}"
        );
    }
}

#[test]
fn json_carries_the_verdict_reason_and_times() {
    let json = |path, verdict, expose| -> Value {
        serde_json::from_slice(&reply(path, HEALTH_JSON, verdict, expose).body).unwrap()
    };
    let measured = json!({
        "componentType": "component", "observedValue": 0.421, "observedUnit": "ms", "ageMs": 0,
        "status": "pass", "time": "2023-11-14T22:13:20.123Z",
    });
    assert_eq!(
        json("/health", Some(Ok(())), true),
        json!({"status": "pass", "serviceId": "greeter", "checks": {"greeter:responseTime": [measured]}})
    );
    let failed = json("/healthz", Some(deadline()), false);
    assert_eq!(
        (&failed["status"], &failed["output"]),
        (&json!("fail"), &json!("deadline"))
    );
    assert_eq!(
        failed["checks"]["greeter:responseTime"][0]["output"],
        "deadline"
    );
    assert_eq!(failed.get("notes"), None, "error text stays inside");
    let exposed = json("/healthz", Some(deadline()), true);
    assert_eq!(
        exposed["notes"],
        json!(["no answer within 900ms, connecting"])
    );
    assert_eq!(
        json("/readyz", None, false),
        json!({"status": "fail", "serviceId": "greeter", "output": "draining"})
    );
    assert_eq!(json("/livez", None, false)["status"], "pass");
}

#[test]
fn no_reply_is_a_redirect_or_larger_than_the_kubelet_reads() {
    let long = "x".repeat(100_000);
    let verdicts = [
        Ok(()),
        deadline(),
        Err(Unhealthy::NotServing(long.as_str().into())),
    ];
    for path in [
        "/health",
        "/healthz?code=reason",
        "/readyz?verbose",
        "/livez",
        "/nothing",
    ] {
        for verdict in &verdicts {
            for accept in ["*/*", HEALTH_JSON] {
                let reply = reply(path, accept, Some(verdict.clone()), true);
                assert!(!reply.status.is_redirection() && reply.body.len() < 10 << 10);
            }
        }
    }
}
