//! The whole HTTP contract: path, question and verdict to status and body.
//!
//! | path           | healthy           | unhealthy         | draining       |
//! |----------------|-------------------|-------------------|----------------|
//! | `/health`      | 200 `OK`          | 500 `NOT_HEALTHY` | the verdict    |
//! | `/health/NAME` | 200 `OK`          | 500 `NOT_HEALTHY` | the verdict    |
//! | `/healthz`     | 200 `OK`          | 503 `NOT_HEALTHY` | the verdict    |
//! | `/readyz`      | 200 `OK`          | 503 `NOT_HEALTHY` | 503 `DRAINING` |
//! | `/livez`       | 200, never asks a target                             |||
//! | `/prestop`     | never asks a target: see `prober`                    |||
//! | other          | 404                                                  |||
//!
//! `NAME` is one target; the others are all targets, healthy if each of them is.
//! Any method, as the original. `?code=reason` answers `/healthz` and `/readyz` with
//! the status of the reason; `?verbose` and `Accept: application/health+json` change
//! the body alone. Never 3xx, which the kubelet takes for success.

use std::collections::BTreeMap;

use http::StatusCode;
use hyper::body::Bytes;
use serde::Serialize;
use tokio::time::Instant;

use crate::check::unhealthy::Unhealthy;
use crate::check::{Check, HEALTHY};
use crate::server::options::Liveness;
use crate::text::Excerpt;

/// A known path.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Route<'a> {
    /// As the original sidecar.
    Health,
    /// The same for one target.
    HealthOf(&'a str),
    /// As Kubernetes names and answers it.
    Healthz,
    /// May the pod take traffic.
    Readyz,
    /// Is the sidecar itself alive.
    Livez,
    /// Prometheus text.
    Metrics,
    /// The page for a person.
    Statusz,
    /// A preStop hook: what is registered goes.
    PreStop,
    /// Anything else.
    NotFound,
}

/// How a client wants its answer.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub struct Asked {
    /// `?verbose`.
    pub verbose: bool,
    /// `?code=reason`.
    pub code_is_reason: bool,
    /// `Accept: application/health+json`, named outright: `*/*` is plain text.
    pub json: bool,
}

/// What is known when a request is answered.
#[derive(Clone, Copy, Debug)]
pub struct Facts<'a> {
    /// The main target's name.
    pub name: &'a str,
    /// Each target that was asked, by name, and its check; none for a route that
    /// does not need any.
    pub checks: &'a [(&'a str, &'a Check)],
    /// When the request is answered.
    pub now: Instant,
    /// What `/healthz` tells of a service that answers and is not well.
    pub liveness: Liveness,
    /// Whether the error's own text may leave the pod.
    pub expose_errors: bool,
    /// Whether `/readyz` waits for a registration that is not there.
    pub unregistered: bool,
}

/// An answer.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Reply {
    /// 200, 404 or at least 500.
    pub status: StatusCode,
    /// The body's type.
    pub content_type: &'static str,
    /// Below 10 KiB, where the kubelet stops reading.
    pub body: Bytes,
}

/// The type of plain bodies, as Go writes it.
pub const TEXT: &str = "text/plain; charset=utf-8";

/// The type of the page for a person.
pub const HTML: &str = "text/html; charset=utf-8";

/// The type of that page's twin.
pub const JSON: &str = "application/json";

/// The type of JSON bodies of probes: draft-inadarei-api-health-check-06.
pub const HEALTH_JSON: &str = "application/health+json";

/// The outcome that a reply tells, and why.
struct Outcome {
    status: StatusCode,
    code: &'static str,
    plain: &'static str,
}

// === impl Route ===

impl<'a> Route<'a> {
    /// The route of a path. `known` gives the name of a target, and it is none of the path's bytes,
    /// so that a request need not be kept until it is answered.
    pub fn of(path: &str, known: impl FnOnce(&str) -> Option<&'a str>) -> Self {
        match path {
            "/health" => Self::Health,
            "/healthz" => Self::Healthz,
            "/readyz" => Self::Readyz,
            "/livez" => Self::Livez,
            "/metrics" => Self::Metrics,
            "/statusz" => Self::Statusz,
            "/prestop" => Self::PreStop,
            _ => path
                .strip_prefix("/health/")
                .and_then(known)
                .map_or(Self::NotFound, Self::HealthOf),
        }
    }

    /// Whether answering takes a check of the target.
    pub fn needs_check(self, draining: bool) -> bool {
        match self {
            Self::Health | Self::HealthOf(_) | Self::Healthz => true,
            Self::Readyz => !draining,
            Self::Livez | Self::Metrics | Self::Statusz | Self::PreStop | Self::NotFound => false,
        }
    }

    /// The path as metrics label it: a target's name never makes a series.
    pub fn label(self) -> &'static str {
        match self {
            Self::Health => "/health",
            Self::HealthOf(_) => "/health/NAME",
            Self::Healthz => "/healthz",
            Self::Readyz => "/readyz",
            Self::Livez => "/livez",
            Self::Metrics => "/metrics",
            Self::Statusz => "/statusz",
            Self::PreStop => "/prestop",
            Self::NotFound => "other",
        }
    }

    /// The last word of a verbose body, as Kubernetes' own endpoints have it.
    fn check_name(self) -> &'static str {
        match self {
            Self::Health | Self::HealthOf(_) => "health",
            Self::Healthz => "healthz",
            Self::Readyz => "readyz",
            Self::Livez | Self::Metrics | Self::Statusz | Self::PreStop | Self::NotFound => "livez",
        }
    }
}

// === impl Asked ===

impl Asked {
    /// Reads the query and the Accept header; what is unknown in them is ignored.
    pub fn read(query: Option<&str>, accept: Option<&[u8]>) -> Self {
        let mut asked = Self::default();
        for pair in query.unwrap_or_default().split('&') {
            match pair.split_once('=').unwrap_or((pair, "")) {
                ("verbose", _) => asked.verbose = true,
                ("code", "reason") => asked.code_is_reason = true,
                _ => {}
            }
        }
        asked.json = accepts(accept, HEALTH_JSON);
        asked
    }
}

/// Whether an Accept header names a type outright.
pub fn accepts(accept: Option<&[u8]>, content_type: &str) -> bool {
    accept
        .unwrap_or_default()
        .split(|byte| *byte == b',')
        .any(|media| {
            let media = media.split(|byte| *byte == b';').next().unwrap_or_default();
            media
                .trim_ascii()
                .eq_ignore_ascii_case(content_type.as_bytes())
        })
}

// === impl Reply ===

impl Reply {
    /// Answers one request.
    pub fn new(route: Route<'_>, asked: Asked, facts: &Facts<'_>) -> Self {
        let outcome = match (route, facts.checks) {
            (Route::NotFound, _) => {
                return Self::text(StatusCode::NOT_FOUND, "404 page not found\n");
            }
            (Route::Livez, _) => return Self::livez(asked),
            (_, []) => Outcome::not_ready("draining", "DRAINING"),
            (Route::Readyz, checks) if facts.unregistered && all_healthy(checks) => {
                Outcome::not_ready("not_registered", "NOT_REGISTERED")
            }
            (_, checks) => Outcome::of(checks, route, asked, facts.liveness),
        };
        if asked.json {
            let body = outcome.json(route, facts);
            return Self {
                status: outcome.status,
                content_type: HEALTH_JSON,
                body: body.into(),
            };
        }
        if asked.verbose {
            return Self::text(outcome.status, outcome.verbose(route, facts));
        }
        Self::text(outcome.status, outcome.plain)
    }

    /// A page that is always there.
    pub fn page(content_type: &'static str, body: Bytes) -> Self {
        Self {
            status: StatusCode::OK,
            content_type,
            body,
        }
    }

    /// The answer to a request that would take more than its client's share.
    pub fn busy() -> Self {
        Self::text(StatusCode::SERVICE_UNAVAILABLE, "BUSY")
    }

    fn livez(asked: Asked) -> Self {
        if asked.json {
            let document = Document {
                status: word(true),
                service_id: None,
                output: None,
                checks: BTreeMap::new(),
                notes: vec![LIVE.to_owned()],
            };
            return Self {
                status: StatusCode::OK,
                content_type: HEALTH_JSON,
                body: document.to_json().into(),
            };
        }
        Self::text(StatusCode::OK, LIVE)
    }

    /// A line of plain text.
    pub fn text(status: StatusCode, body: impl Into<Bytes>) -> Self {
        Self {
            status,
            content_type: TEXT,
            body: body.into(),
        }
    }
}

const LIVE: &str = "sidecar alive, target not asked";

// === impl Outcome ===

impl Outcome {
    /// The first target that fails decides what is told.
    fn of(checks: &[(&str, &Check)], route: Route<'_>, asked: Asked, liveness: Liveness) -> Self {
        let failing = checks
            .iter()
            .find_map(|(_, check)| failure(check, route, liveness));
        let Some(unhealthy) = failing else {
            return Self {
                status: StatusCode::OK,
                code: HEALTHY,
                plain: "OK",
            };
        };
        let reason = unhealthy.reason();
        let status = match route {
            Route::Health | Route::HealthOf(_) => StatusCode::INTERNAL_SERVER_ERROR,
            _ if asked.code_is_reason => {
                StatusCode::from_u16(reason.status).unwrap_or(StatusCode::SERVICE_UNAVAILABLE)
            }
            _ => StatusCode::SERVICE_UNAVAILABLE,
        };
        Self {
            status,
            code: reason.code,
            plain: "NOT_HEALTHY",
        }
    }

    fn not_ready(code: &'static str, plain: &'static str) -> Self {
        let status = StatusCode::SERVICE_UNAVAILABLE;
        Self {
            status,
            code,
            plain,
        }
    }

    fn verbose(&self, route: Route<'_>, facts: &Facts<'_>) -> String {
        let check = route.check_name();
        let mut lines: Vec<_> = facts
            .checks
            .iter()
            .map(|(name, check)| {
                let name = Excerpt::from(name);
                match failure(check, route, facts.liveness) {
                    None => format!("[+]{name} ok"),
                    Some(unhealthy) if facts.expose_errors => {
                        format!("[-]{name} failed: {}: {unhealthy}", unhealthy.reason().code)
                    }
                    Some(unhealthy) => format!("[-]{name} failed: {}", unhealthy.reason().code),
                }
            })
            .collect();
        if facts.checks.is_empty() {
            lines.push(format!("[-]sidecar failed: {}", self.code));
        }
        let verdict = if self.status == StatusCode::OK {
            "passed"
        } else {
            "failed"
        };
        lines.push(format!("{check} check {verdict}\n"));
        lines.join("\n")
    }

    fn json(&self, route: Route<'_>, facts: &Facts<'_>) -> String {
        let passed = self.status == StatusCode::OK;
        let failures = facts
            .checks
            .iter()
            .map(|(_, check)| failure(check, route, facts.liveness));
        let checks = facts.checks.iter().zip(failures.clone());
        let notes = failures.flatten().filter(|_| facts.expose_errors);
        let document = Document {
            status: word(passed),
            service_id: Some(Excerpt::from(facts.name).to_string()),
            output: (!passed).then_some(self.code),
            checks: checks
                .map(|((name, check), failure)| {
                    let name = format!("{}:responseTime", Excerpt::from(name));
                    (name, [Measured::new(check, failure, facts.now)])
                })
                .collect(),
            notes: notes.map(ToString::to_string).collect(),
        };
        document.to_json()
    }
}

/// The body of a probe that wants JSON: draft-inadarei-api-health-check-06.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Document {
    status: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    service_id: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    output: Option<&'static str>,
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    checks: BTreeMap<String, [Measured; 1]>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    notes: Vec<String>,
}

/// One check in it.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Measured {
    component_type: &'static str,
    observed_value: f64,
    observed_unit: &'static str,
    age_ms: u128,
    status: &'static str,
    time: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    output: Option<&'static str>,
}

fn word(passed: bool) -> &'static str {
    if passed { "pass" } else { "fail" }
}

// === impl Document ===

impl Document {
    fn to_json(&self) -> String {
        // Text and numbers are always JSON.
        serde_json::to_string(self).unwrap_or_default()
    }
}

// === impl Measured ===

impl Measured {
    fn new(check: &Check, failure: Option<&Unhealthy>, now: Instant) -> Self {
        Self {
            component_type: "component",
            observed_value: (check.took.as_secs_f64() * 1e6).round() / 1e3,
            observed_unit: "ms",
            age_ms: now.saturating_duration_since(check.finished).as_millis(),
            status: word(failure.is_none()),
            time: humantime::format_rfc3339_millis(check.at).to_string(),
            output: failure.map(|unhealthy| unhealthy.reason().code),
        }
    }
}

fn all_healthy(checks: &[(&str, &Check)]) -> bool {
    checks.iter().all(|(_, check)| check.verdict.is_ok())
}

/// Why a check fails a route; `None` if it passes.
fn failure<'a>(check: &'a Check, route: Route<'_>, liveness: Liveness) -> Option<&'a Unhealthy> {
    let unhealthy = check.verdict.as_ref().err()?;
    let forgiven = route == Route::Healthz && liveness == Liveness::Answers && unhealthy.answered();
    (!forgiven).then_some(unhealthy)
}

#[cfg(test)]
mod tests;
