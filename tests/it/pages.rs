//! The pages `/metrics` and `/statusz`: their contents, and their limits against hostile clients.

use futures_util::future;
use micro_health::internal::FRESH;
use serde_json::Value;
use testkit::client::Connection;
use testkit::kubelet::{self, TIMEOUT};
use testkit::scripts::mucp;
use testkit::service::Service;
use testkit::within;
use tokio::time::Instant;

use crate::sidecar::Sidecar;

fn series(text: &str) -> usize {
    text.lines().filter(|line| !line.starts_with('#')).count()
}

/// Returns the value of a series; the labels must have the order of the page.
fn value(text: &str, series: &str) -> f64 {
    let found = text
        .lines()
        .find_map(|line| line.strip_prefix(series)?.strip_prefix(' '));
    found
        .unwrap_or_else(|| panic!("no {series} in\n{text}"))
        .parse()
        .unwrap()
}

#[tokio::test]
async fn metrics_have_the_results_of_probes() {
    let greeter = Service::start(mucp()).await;
    let sidecar = Sidecar::start(greeter.address, &[]).await;
    sidecar.probe("/health").await;
    sidecar.probe("/health").await;
    greeter.stop().await;
    sidecar.probe("/healthz").await;

    let answer = sidecar.probe("/metrics").await;

    assert_eq!(
        answer.header("content-type"),
        Some("text/plain; version=0.0.4; charset=utf-8")
    );
    for (series, expected) in [
        (
            "health_sidecar_checks_total{target=\"greeter\",result=\"ok\"}",
            2.0,
        ),
        (
            "health_sidecar_checks_total{target=\"greeter\",result=\"unreachable\"}",
            1.0,
        ),
        (
            "health_sidecar_target_healthy{target=\"greeter\",protocol=\"mucp\"}",
            0.0,
        ),
        (
            "health_sidecar_consecutive_failures{target=\"greeter\"}",
            1.0,
        ),
        (
            "health_sidecar_http_requests_total{path=\"/health\",code=\"200\",client=\"kubelet\"}",
            2.0,
        ),
        (
            "health_sidecar_http_requests_total{path=\"/healthz\",code=\"503\",client=\"kubelet\"}",
            1.0,
        ),
    ] {
        assert!(
            (value(&answer.body, series) - expected).abs() < f64::EPSILON,
            "{series}"
        );
    }
    assert!(value(&answer.body, "process_open_fds") > 3.0);
}

#[tokio::test]
async fn ten_thousand_hostile_requests_make_no_series() {
    let greeter = Service::start(mucp()).await;
    let sidecar = Sidecar::start(greeter.address, &["--cache=1m"]).await;
    let mut client = Connection::open(sidecar.address).await;
    for path in ["/health", "/health?x", "/nothing", "/metrics"] {
        client.get(path).await;
    }
    let mut before = String::new();
    let other = "health_sidecar_http_requests_total{path=\"other\",code=\"404\",client=\"other\"}";
    let shown = |page: &str, at_least: f64| page.contains(other) && value(page, other) >= at_least;
    let rendered = async {
        // The first page was rendered before its own request was counted.
        while !shown(&before, 1.0) || !before.contains("path=\"/metrics\"") {
            before = client.get("/metrics").await.body;
        }
    };
    within("the first page", rendered).await;
    let before = series(&before);

    for batch in 0..100 {
        let mut requests = String::new();
        for n in (batch * 100..).take(100) {
            let path = match n % 4 {
                0 => format!("/health?serviceName=x{n}"),
                1 => format!("/x{n}?y=%22{n}%22"),
                2 => format!("/health/x{n}"),
                _ => format!("/livez?client=x{n}&code=reason"),
            };
            requests += "GET ";
            requests += &path;
            requests += " HTTP/1.1\r\nHost: sidecar\r\nUser-Agent: ";
            requests += &path;
            requests += "\r\n\r\n";
        }
        client.send(requests).await;
        for _ in 0..100 {
            client.answer().await;
        }
    }

    // Half of the requests had an unknown path.
    let mut after = String::new();
    let rendered = async {
        while !shown(&after, 5000.0) {
            after = client.get("/metrics").await.body;
        }
    };
    within("the page after them", rendered).await;
    let after = series(&after);
    // There is at most one more: /livez had not been requested before.
    assert!(after <= before + 1, "{before} series became {after}");
}

/// Returns the status page once it has this text; it is rendered at most once a second.
async fn shows(sidecar: &Sidecar, text: &str) -> String {
    let mut page = String::new();
    let shown = async {
        while !page.contains(text) {
            page = sidecar.probe("/statusz").await.body;
        }
    };
    within(text, shown).await;
    page
}

#[tokio::test]
async fn a_page_is_rendered_at_most_once_a_second() {
    let greeter = Service::start(mucp()).await;
    let sidecar = Sidecar::start(greeter.address, &[]).await;
    let each = ["/metrics", "/statusz"].map(async |path| {
        let started = Instant::now();
        let mut client = sidecar.connect().await;
        let (mut pages, mut renderings) = (vec![client.get(path).await.body], 1);
        // The page contains the number of requests in one case, the version's age in the other.
        let turned = async {
            while renderings < 3 {
                let page = client.get(path).await.body;
                sidecar.probe("/health").await;
                if pages.last() != Some(&page) {
                    renderings += 1;
                }
                pages.push(page);
            }
        };
        within("two more renderings", turned).await;
        assert!(started.elapsed() >= 2 * FRESH, "{path}");
        assert!(pages.len() > 20, "{path}: {}", pages.len());
    });
    future::join_all(each).await;
}

#[tokio::test]
async fn the_page_shows_verdict_reason_and_remedy() {
    let greeter = Service::start(mucp()).await;
    let sidecar = Sidecar::start(greeter.address, &["--server_name=<b>greeter</b>"]).await;
    let page = sidecar.probe("/statusz").await;
    assert_eq!(
        page.header("content-type"),
        Some("text/html; charset=utf-8")
    );
    assert!(
        page.header("content-security-policy")
            .unwrap()
            .contains("default-src 'none'")
    );
    assert!(page.body.contains("is unknown"), "{}", page.body);
    assert_eq!(greeter.accepted(), 0, "the page asks nothing itself");

    sidecar.probe("/health").await;
    let page = shows(&sidecar, "&lt;b&gt;greeter&lt;/b&gt; is healthy").await;
    assert!(!page.contains("<b>greeter"), "{page}");

    greeter.stop().await;
    sidecar.probe("/health").await;
    let page = shows(&sidecar, "is unhealthy").await;
    for text in ["unreachable", "is the service running"] {
        assert!(page.contains(text), "{text:?} is not in\n{page}");
    }
    assert!(
        !page.contains("refused"),
        "the error's own text stays inside\n{page}"
    );
}

#[tokio::test]
async fn the_page_is_also_available_as_json() {
    let greeter = Service::start(mucp()).await;
    let sidecar = Sidecar::start(greeter.address, &[]).await;
    sidecar.probe("/health").await;
    let twin = kubelet::get(sidecar.address, "/statusz", "application/json", TIMEOUT).await;
    let json: Value = serde_json::from_str(&twin.body).unwrap();
    assert_eq!(twin.header("content-type"), Some("application/json"));
    assert_eq!(json["status"], "healthy");
    assert_eq!(json["targets"][0]["protocol"], "mucp");
    assert_eq!(json["targets"][0]["history"][0]["result"], "ok");
}
