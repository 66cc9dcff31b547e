//! Checks the page's text, size and safety.

use std::sync::Arc;

use std::time::{Duration, SystemTime};

use super::*;
use crate::check::record::Record;
use crate::check::row::Row;
use crate::check::unhealthy::Unhealthy;
use crate::check::verdict::{Check, Verdict};
use crate::registration::status;
use serde_json::{Value, json};

fn at(second: u64) -> SystemTime {
    SystemTime::UNIX_EPOCH + Duration::from_secs(second)
}

fn target(name: &str, verdicts: impl IntoIterator<Item = Verdict>) -> TargetStatus {
    let mut record = Record::default();
    for (verdict, second) in verdicts.into_iter().zip(1..) {
        record.observe(&Arc::new(Check {
            verdict,
            reached: crate::net::stage::Stage::Waiting,
            took: Duration::from_micros(420),
            at: at(second),
            finished: tokio::time::Instant::now(),
        }));
    }
    TargetStatus {
        name: name.into(),
        address: "localhost:9091".into(),
        protocol: "grpc",
        certificate_expiry: None,
        record,
        rows: Vec::new(),
    }
}

fn page(targets: Vec<TargetStatus>) -> String {
    Status {
        targets,
        draining: false,
        expose_errors: true,
        registration: None,
        now: at(200),
    }
    .html()
}

fn not_serving() -> Verdict {
    Err(Unhealthy::NotServing("status \"degraded\"".into()))
}

#[test]
fn the_page_has_the_verdict_in_words() {
    let healthy = page(vec![target("greeter", [not_serving(), Ok(()), Ok(())])]);
    for text in [
        "<title>greeter is healthy</title>",
        "healthy for 3 min 18 s",
        "localhost:9091",
        "0.4 ms",
    ] {
        assert!(healthy.contains(text), "{text:?} is not in\n{healthy}");
    }
    let unhealthy = page(vec![target("greeter", [Ok(()), not_serving()])]);
    for text in [
        "greeter is unhealthy",
        "unhealthy for 3 min 18 s: not_serving",
        "degraded",
        "ask the service why",
    ] {
        assert!(unhealthy.contains(text), "{text:?} is not in\n{unhealthy}");
    }
    let unknown = page(vec![target("greeter", [])]);
    assert!(unknown.contains("greeter is unknown"), "{unknown}");
    let some = page(vec![
        target("stock", [Ok(())]),
        target("mail", [not_serving()]),
    ]);
    assert!(some.contains("1 of 2 services are healthy"), "{some}");
    assert!(
        some.find("<h2>mail") < some.find("<h2>stock"),
        "unhealthy targets come first"
    );
}

#[test]
fn the_page_has_the_expiry_of_a_certificate() {
    let mut greeter = target("greeter", [Ok(())]);
    assert!(!page(vec![greeter.clone()]).contains("certificate"));
    for (ends, text) in [
        (at(90_000 + 200), "expires in 1 d 1 h"),
        (at(135), "expired 1 min 5 s ago"),
    ] {
        greeter.certificate_expiry = Some(ends);
        let page = page(vec![greeter.clone()]);
        assert!(page.contains(text), "{text:?} is not in\n{page}");
    }
}

#[test]
fn a_hostile_name_is_text() {
    let page = page(vec![target("<script>alert('x')</script>\"&", [Ok(())])]);
    assert!(!page.contains("<script"), "{page}");
    assert!(
        page.contains("&lt;script&gt;alert(&#39;x&#39;)&lt;/script&gt;&quot;&amp;"),
        "{page}"
    );
}

#[test]
fn a_full_plot_stays_below_ten_kibibytes() {
    let verdicts = || (0..500).map(|n| if n % 3 == 0 { not_serving() } else { Ok(()) });
    let targets = ["greeter", "payments", "stock", "mail", "search"].map(|name| TargetStatus {
        certificate_expiry: Some(at(100)),
        ..target(name, verdicts())
    });
    let page = page(targets.to_vec());
    assert!(page.contains("and 1 more"), "{page}");
    assert!(page.len() < 10 << 10, "{}", page.len());
    assert_eq!(page.matches(" 40v-").count(), ROWS * HISTORY_LENGTH);
}

#[test]
fn two_hundred_endpoints_stay_below_ten_kibibytes_and_the_json_has_them_all() {
    let row = |number: usize| Row {
        address: format!("[fd00:10:244::{number:x}]:50051"),
        pod: Some(format!("greeter-6d4b75cb6d-{number:0>40}")),
        ready: true,
        result: Some(if number.is_multiple_of(2) {
            HEALTHY
        } else {
            "unreachable"
        }),
        message: Some("<\"&>".repeat(50)),
        took_ms: Some(0.4),
    };
    let verdicts = || (0..500).map(|n| if n % 3 == 0 { not_serving() } else { Ok(()) });
    for services in 1..=5 {
        let names = ["greeter", "payments", "stock", "mail", "search"];
        let targets = names[..services].iter().map(|name| TargetStatus {
            certificate_expiry: Some(at(100)),
            rows: (0..200).map(row).collect(),
            ..target(name, verdicts())
        });
        let status = Status {
            targets: targets.collect(),
            draining: true,
            expose_errors: true,
            registration: Some(status::example()),
            now: at(200),
        };
        let page = status.html();
        assert!(page.len() < 10 << 10, "{services}: {}", page.len());
        assert!(page.ends_with("</html>"), "{page}");
        let lists = page.matches(" more<dd>request application/json").count();
        assert_eq!(lists, services.min(ROWS), "{page}");
        // With one Service there is room for several unhealthy endpoints.
        assert!(
            services > 1 || page.matches("unreachable").count() > 3,
            "{page}"
        );
        let json: Value = serde_json::from_str(&status.json()).unwrap();
        for target in json["targets"].as_array().unwrap() {
            assert_eq!(target["endpoints"].as_array().unwrap().len(), 200);
        }
    }
}

#[test]
fn the_json_has_the_content_of_the_page() {
    let mut targets = vec![target("greeter", [Ok(()), not_serving()])];
    targets[0].certificate_expiry = Some(at(9));
    let json: Value = serde_json::from_str(
        &Status {
            targets,
            draining: true,
            expose_errors: true,
            registration: None,
            now: at(200),
        }
        .json(),
    )
    .unwrap();
    assert_eq!(json["status"], "unhealthy");
    assert_eq!(json["draining"], true);
    let target = &json["targets"][0];
    assert_eq!(target["reason"], "not_serving");
    assert_eq!(target["since"], "1970-01-01T00:00:02.000Z");
    assert_eq!(target["lastSuccess"], "1970-01-01T00:00:01.000Z");
    assert_eq!(target["certificateExpires"], "1970-01-01T00:00:09.000Z");
    assert_eq!(
        target["history"][1],
        json!({"result": "not_serving", "ms": 0.4})
    );
}

#[test]
fn ages_have_two_units() {
    for (seconds, expected) in [
        (5, "5 s"),
        (65, "1 min 5 s"),
        (3_700, "1 h 1 min"),
        (90_000, "1 d 1 h"),
    ] {
        assert_eq!(Age(at(0), at(seconds)).to_string(), expected);
    }
    assert_eq!(Age(at(9), at(0)).to_string(), "0 s", "clocks may step back");
}

#[test]
fn a_registration_is_shown_with_its_obstacle() {
    let services = [
        ("greeter", "registered", "10.1.0.7:9091"),
        ("a<b", "refused", "the label is \"taken\""),
    ];
    let service = |(name, standing, detail): (&str, &'static str, &str)| status::Service {
        name: name.into(),
        standing,
        detail: Some(detail.into()),
    };
    let registration = status::Status {
        services: services.into_iter().map(service).collect(),
        is_connected: true,
        refusal: Some(status::Refused {
            code: "forbidden",
            text: "forbidden: cannot <patch>".into(),
        }),
        ..status::example()
    };
    let status = Status {
        targets: vec![target("greeter", [Ok(())])],
        draining: false,
        expose_errors: false,
        registration: Some(registration),
        now: at(200),
    };
    let page = status.html();
    for text in [
        "refused for 3 min 20 s",
        "demo/own-0",
        "registered: 10.1.0.7:9091",
        "a&lt;b",
        "cannot &lt;patch&gt;",
        "<dt>verified<dd>3 min 20 s ago",
    ] {
        assert!(page.contains(text), "{text:?} is not in\n{page}");
    }
    assert!(page.len() < 10 << 10, "{}", page.len());
    let json: Value = serde_json::from_str(&status.json()).unwrap();
    assert_eq!(json["registration"]["state"], "refused");
    assert_eq!(json["registration"]["services"][1]["standing"], "refused");
}
