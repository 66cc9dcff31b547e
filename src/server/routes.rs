//! The whole HTTP contract: path, question and verdict to status and body.
//!
//! | path       | healthy            | unhealthy                  | draining     |
//! |------------|--------------------|----------------------------|--------------|
//! | `/health`  | 200 `OK`           | 500 `NOT_HEALTHY`          | the verdict  |
//! | `/healthz` | 200 `OK`           | 503 `NOT_HEALTHY`          | the verdict  |
//! | `/readyz`  | 200 `OK`           | 503 `NOT_HEALTHY`          | 503 `DRAINING` |
//! | `/livez`   | 200, never asks the target                                      |||
//! | other      | 404                                                             |||
//!
//! Any method, as the original. `?code=reason` answers `/healthz` and `/readyz` with
//! the status of the reason; `?verbose` and `Accept: application/health+json` change
//! the body alone. Never 3xx, which the kubelet takes for success.

use std::borrow::Cow;

use http::StatusCode;
use serde_json::{Value, json};

use crate::target::{Check, HEALTHY};
use crate::unhealthy::Excerpt;

/// A known path.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Route {
    /// As the original sidecar.
    Health,
    /// As Kubernetes names and answers it.
    Healthz,
    /// May the pod take traffic.
    Readyz,
    /// Is the sidecar itself alive.
    Livez,
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
    /// The target's name.
    pub name: &'a str,
    /// The check; `None` where the route does not need one.
    pub check: Option<&'a Check>,
    /// Whether the error's own text may leave the pod.
    pub expose_errors: bool,
}

/// An answer.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Reply {
    /// 200, 404 or at least 500.
    pub status: StatusCode,
    /// The body's type.
    pub content_type: &'static str,
    /// Below 10 KiB, where the kubelet stops reading.
    pub body: Cow<'static, str>,
}

/// The type of plain bodies, as Go writes it.
pub const TEXT: &str = "text/plain; charset=utf-8";

/// The type of JSON bodies: draft-inadarei-api-health-check-06.
pub const HEALTH_JSON: &str = "application/health+json";

/// The outcome that a reply tells: its code, and the error text if it may be told.
struct Outcome {
    status: StatusCode,
    code: &'static str,
    plain: &'static str,
    detail: Option<String>,
}

// === impl Route ===

impl Route {
    /// The route of a path.
    pub fn of(path: &str) -> Self {
        match path {
            "/health" => Self::Health,
            "/healthz" => Self::Healthz,
            "/readyz" => Self::Readyz,
            "/livez" => Self::Livez,
            _ => Self::NotFound,
        }
    }

    /// Whether answering takes a check of the target.
    pub fn needs_check(self, draining: bool) -> bool {
        match self {
            Self::Health | Self::Healthz => true,
            Self::Readyz => !draining,
            Self::Livez | Self::NotFound => false,
        }
    }

    /// The last word of a verbose body, as Kubernetes' own endpoints have it.
    fn check_name(self) -> &'static str {
        match self {
            Self::Health => "health",
            Self::Healthz => "healthz",
            Self::Readyz => "readyz",
            Self::Livez | Self::NotFound => "livez",
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
        asked.json = accept
            .unwrap_or_default()
            .split(|byte| *byte == b',')
            .any(|media| {
                let media = media.split(|byte| *byte == b';').next().unwrap_or_default();
                media
                    .trim_ascii()
                    .eq_ignore_ascii_case(HEALTH_JSON.as_bytes())
            });
        asked
    }
}

// === impl Reply ===

impl Reply {
    /// Answers one request.
    pub fn new(route: Route, asked: Asked, facts: &Facts<'_>) -> Self {
        let outcome = match (route, facts.check) {
            (Route::NotFound, _) => {
                return Self::text(StatusCode::NOT_FOUND, "404 page not found\n");
            }
            (Route::Livez, _) => return Self::livez(asked),
            (_, None) => Outcome::draining(),
            (_, Some(check)) => Outcome::of(check, route, asked, facts),
        };
        if asked.json {
            return Self {
                status: outcome.status,
                content_type: HEALTH_JSON,
                body: outcome.json(facts).into(),
            };
        }
        if asked.verbose {
            return Self::text(outcome.status, outcome.verbose(route, facts.name));
        }
        Self::text(outcome.status, outcome.plain)
    }

    fn livez(asked: Asked) -> Self {
        if asked.json {
            let body = json!({"status": "pass", "notes": [LIVE]}).to_string();
            return Self {
                status: StatusCode::OK,
                content_type: HEALTH_JSON,
                body: body.into(),
            };
        }
        Self::text(StatusCode::OK, LIVE)
    }

    fn text(status: StatusCode, body: impl Into<Cow<'static, str>>) -> Self {
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
    fn of(check: &Check, route: Route, asked: Asked, facts: &Facts<'_>) -> Self {
        let unhealthy = match &check.verdict {
            Ok(()) => {
                return Self {
                    status: StatusCode::OK,
                    code: HEALTHY,
                    plain: "OK",
                    detail: None,
                };
            }
            Err(unhealthy) => unhealthy,
        };
        let reason = unhealthy.reason();
        let status = match route {
            Route::Health => StatusCode::INTERNAL_SERVER_ERROR,
            _ if asked.code_is_reason => {
                StatusCode::from_u16(reason.status).unwrap_or(StatusCode::SERVICE_UNAVAILABLE)
            }
            _ => StatusCode::SERVICE_UNAVAILABLE,
        };
        let detail = facts.expose_errors.then(|| unhealthy.to_string());
        Self {
            status,
            code: reason.code,
            plain: "NOT_HEALTHY",
            detail,
        }
    }

    fn draining() -> Self {
        Self {
            status: StatusCode::SERVICE_UNAVAILABLE,
            code: "draining",
            plain: "DRAINING",
            detail: None,
        }
    }

    fn verbose(&self, route: Route, name: &str) -> String {
        let (name, check) = (Excerpt::from(name), route.check_name());
        if self.status == StatusCode::OK {
            return format!("[+]{name} ok\n{check} check passed\n");
        }
        let detail = self
            .detail
            .as_ref()
            .map(|detail| format!(": {detail}"))
            .unwrap_or_default();
        format!(
            "[-]{name} failed: {}{detail}\n{check} check failed\n",
            self.code
        )
    }

    fn json(&self, facts: &Facts<'_>) -> String {
        let passed = self.status == StatusCode::OK;
        let status = if passed { "pass" } else { "fail" };
        let mut document =
            json!({"status": status, "serviceId": Excerpt::from(facts.name).to_string()});
        let mut measured = facts.check.map(|check| {
            json!({
                "componentType": "component",
                "observedValue": (check.took.as_secs_f64() * 1e6).round() / 1e3,
                "observedUnit": "ms",
                "status": status,
                "time": humantime::format_rfc3339_millis(check.at).to_string(),
            })
        });
        if !passed {
            document["output"] = self.code.into();
            if let Some(measured) = &mut measured {
                measured["output"] = self.code.into();
            }
        }
        if let Some(detail) = &self.detail {
            document["notes"] = json!([detail]);
        }
        if let Some(measured) = measured {
            let key = format!("{}:responseTime", Excerpt::from(facts.name));
            document["checks"] = Value::Object([(key, json!([measured]))].into_iter().collect());
        }
        document.to_string()
    }
}

#[cfg(test)]
mod tests;
