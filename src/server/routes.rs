//! The HTTP contract: from path, request and verdict to status and body. Pure.
//!
//! | path           | healthy           | unhealthy         | draining       |
//! |----------------|-------------------|-------------------|----------------|
//! | `/health`      | 200 `OK`          | 500 `NOT_HEALTHY` | the verdict    |
//! | `/health/NAME` | 200 `OK`          | 500 `NOT_HEALTHY` | the verdict    |
//! | `/healthz`     | 200 `OK`          | 503 `NOT_HEALTHY` | the verdict    |
//! | `/readyz`      | 200 `OK`          | 503 `NOT_HEALTHY` | 503 `DRAINING` |
//! | `/livez`       | 200, never checks a target                           |||
//! | `/prestop`     | never checks a target: see `prestop`                 |||
//! | other          | 404                                                  |||
//!
//! `NAME` is one target. The other paths cover all targets, and are healthy if each target is. Any
//! method is accepted, as by the original. `?code=reason` answers `/healthz` and `/readyz` with the
//! status of the reason. `?verbose` and `Accept: application/health+json` change only the body. No
//! status is 3xx, which the kubelet takes for success.

use std::collections::BTreeMap;

use http::StatusCode;
use hyper::body::Bytes;
use serde::Serialize;
use tokio::time::Instant;

use crate::check::unhealthy::Unhealthy;
use crate::check::{Check, HEALTHY};
use crate::server::options::Liveness;
use crate::text::Excerpt;

/// The route of a path.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Route<'a> {
    /// The verdict on all targets, as the original sidecar answers it.
    Health,
    /// The verdict on one target, as the original sidecar answers it.
    HealthOf(&'a str),
    /// The verdict on all targets, as Kubernetes names and answers it.
    Healthz,
    /// The answer to whether the pod may take traffic.
    Readyz,
    /// The answer to whether the sidecar itself is alive.
    Livez,
    /// The metrics as Prometheus text.
    Metrics,
    /// The page for a person.
    Statusz,
    /// A preStop hook, which ends the registration.
    PreStop,
    /// A path that is not known.
    NotFound,
}

/// The format of an answer, as the client requests it.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub(crate) struct ReplyFormat {
    /// The query has `verbose`.
    pub verbose: bool,
    /// The query has `code=reason`.
    pub code_is_reason: bool,
    /// The Accept header names `application/health+json`. `*/*` means plain text.
    pub json: bool,
}

/// The input of an answer besides the request.
#[derive(Clone, Copy, Debug)]
pub(crate) struct ReplyContext<'a> {
    /// The main target's name.
    pub name: &'a str,
    /// The name and the check of each checked target. Empty for a route that needs no check.
    pub checks: &'a [(&'a str, &'a Check)],
    /// The time of the answer.
    pub now: Instant,
    /// The answer of `/healthz` for a service that answers and is not healthy.
    pub liveness: Liveness,
    /// The flag is true if the error's own text may leave the pod.
    pub expose_errors: bool,
    /// The flag is true if `/readyz` waits for a registration that does not exist yet.
    pub unregistered: bool,
}

/// An answer.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(crate) struct Reply {
    /// The status: 200, 404 or at least 500.
    pub status: StatusCode,
    /// The content type of the body.
    pub content_type: &'static str,
    /// The body, below 10 KiB, where the kubelet stops reading.
    pub body: Bytes,
}

/// The content type of plain bodies, as Go writes it.
pub(crate) const TEXT: &str = "text/plain; charset=utf-8";

/// The content type of the page for a person.
pub(crate) const HTML: &str = "text/html; charset=utf-8";

/// The content type of the page for a program.
pub(crate) const JSON: &str = "application/json";

/// The content type of JSON bodies of probes: draft-inadarei-api-health-check-06.
pub(crate) const HEALTH_JSON: &str = "application/health+json";

/// The outcome of a probe: its status, its reason code and its plain body.
struct Outcome {
    status: StatusCode,
    code: &'static str,
    plain: &'static str,
}

// === impl Route ===

impl<'a> Route<'a> {
    /// Returns the route of a path. `known` returns the name of a target from the configuration,
    /// not from the path, so that the request need not be kept until it is answered.
    pub(crate) fn of(path: &str, known: impl FnOnce(&str) -> Option<&'a str>) -> Self {
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

    /// Returns whether the answer needs a check of the targets.
    pub(crate) fn needs_check(self, draining: bool) -> bool {
        match self {
            Self::Health | Self::HealthOf(_) | Self::Healthz => true,
            Self::Readyz => !draining,
            Self::Livez | Self::Metrics | Self::Statusz | Self::PreStop | Self::NotFound => false,
        }
    }

    /// Returns the path as metrics label it. A target's name never makes a series.
    pub(crate) fn label(self) -> &'static str {
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

    /// Returns the name of the check in a verbose body, as Kubernetes' own endpoints write it.
    fn check_name(self) -> &'static str {
        match self {
            Self::Health | Self::HealthOf(_) => "health",
            Self::Healthz => "healthz",
            Self::Readyz => "readyz",
            Self::Livez | Self::Metrics | Self::Statusz | Self::PreStop | Self::NotFound => "livez",
        }
    }
}

// === impl ReplyFormat ===

impl ReplyFormat {
    /// Reads the query and the Accept header. Unknown parts of them are ignored.
    pub(crate) fn read(query: Option<&str>, accept: Option<&[u8]>) -> Self {
        let mut format = Self::default();
        for pair in query.unwrap_or_default().split('&') {
            match pair.split_once('=').unwrap_or((pair, "")) {
                ("verbose", _) => format.verbose = true,
                ("code", "reason") => format.code_is_reason = true,
                _ => {}
            }
        }
        format.json = accepts(accept, HEALTH_JSON);
        format
    }
}

/// Returns whether an Accept header names a type explicitly.
pub(crate) fn accepts(accept: Option<&[u8]>, content_type: &str) -> bool {
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
    pub(crate) fn new(route: Route<'_>, format: ReplyFormat, context: &ReplyContext<'_>) -> Self {
        let outcome = match (route, context.checks) {
            (Route::NotFound, _) => {
                return Self::text(StatusCode::NOT_FOUND, "404 page not found\n");
            }
            (Route::Livez, _) => return Self::livez(format),
            (_, []) => Outcome::not_ready("draining", "DRAINING"),
            (Route::Readyz, checks) if context.unregistered && all_healthy(checks) => {
                Outcome::not_ready("not_registered", "NOT_REGISTERED")
            }
            (_, checks) => Outcome::of(checks, route, format, context.liveness),
        };
        if format.json {
            let body = outcome.json(route, context);
            return Self {
                status: outcome.status,
                content_type: HEALTH_JSON,
                body: body.into(),
            };
        }
        if format.verbose {
            return Self::text(outcome.status, outcome.verbose(route, context));
        }
        Self::text(outcome.status, outcome.plain)
    }

    /// Returns the answer 200 with a page.
    pub(crate) fn page(content_type: &'static str, body: Bytes) -> Self {
        Self {
            status: StatusCode::OK,
            content_type,
            body,
        }
    }

    /// Returns the answer to a request that would take more than its client's share.
    pub(crate) fn busy() -> Self {
        Self::text(StatusCode::SERVICE_UNAVAILABLE, "BUSY")
    }

    fn livez(format: ReplyFormat) -> Self {
        if format.json {
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

    /// Returns an answer in plain text.
    pub(crate) fn text(status: StatusCode, body: impl Into<Bytes>) -> Self {
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
    /// Makes the outcome of a route. If several targets fail, it reports the first of them.
    fn of(
        checks: &[(&str, &Check)],
        route: Route<'_>,
        format: ReplyFormat,
        liveness: Liveness,
    ) -> Self {
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
            _ if format.code_is_reason => {
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

    fn verbose(&self, route: Route<'_>, context: &ReplyContext<'_>) -> String {
        let check = route.check_name();
        let mut lines: Vec<_> = context
            .checks
            .iter()
            .map(|(name, check)| {
                let name = Excerpt::from(name);
                match failure(check, route, context.liveness) {
                    None => format!("[+]{name} ok"),
                    Some(unhealthy) if context.expose_errors => {
                        format!("[-]{name} failed: {}: {unhealthy}", unhealthy.reason().code)
                    }
                    Some(unhealthy) => format!("[-]{name} failed: {}", unhealthy.reason().code),
                }
            })
            .collect();
        if context.checks.is_empty() {
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

    fn json(&self, route: Route<'_>, context: &ReplyContext<'_>) -> String {
        let passed = self.status == StatusCode::OK;
        let failures = context
            .checks
            .iter()
            .map(|(_, check)| failure(check, route, context.liveness));
        let checks = context.checks.iter().zip(failures.clone());
        let notes = failures.flatten().filter(|_| context.expose_errors);
        let document = Document {
            status: word(passed),
            service_id: Some(Excerpt::from(context.name).to_string()),
            output: (!passed).then_some(self.code),
            checks: checks
                .map(|((name, check), failure)| {
                    let name = format!("{}:responseTime", Excerpt::from(name));
                    (name, [Measurement::new(check, failure, context.now)])
                })
                .collect(),
            notes: notes.map(ToString::to_string).collect(),
        };
        document.to_json()
    }
}

/// The JSON body of a probe: draft-inadarei-api-health-check-06.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Document {
    status: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    service_id: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    output: Option<&'static str>,
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    checks: BTreeMap<String, [Measurement; 1]>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    notes: Vec<String>,
}

/// A check in that body.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Measurement {
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

// === impl Measurement ===

impl Measurement {
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

/// Returns why a check fails a route, or `None` if it passes.
fn failure<'a>(check: &'a Check, route: Route<'_>, liveness: Liveness) -> Option<&'a Unhealthy> {
    let unhealthy = check.verdict.as_ref().err()?;
    let forgiven = route == Route::Healthz && liveness == Liveness::Answers && unhealthy.answered();
    (!forgiven).then_some(unhealthy)
}

#[cfg(test)]
mod tests;
