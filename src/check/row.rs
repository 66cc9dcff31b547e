//! The result of checking one endpoint of a target, for the pages and `health probe`.

use std::time::Duration;

use serde::Serialize;

use crate::check::verdict::{self, HEALTHY, Verdict};

/// The row of one endpoint.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Row {
    /// The address of the endpoint.
    pub address: String,
    /// The name of its pod.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub pod: Option<String>,
    /// The readiness that the API server reports.
    pub ready: bool,
    /// The code of the result: ok, or the reason's code. `None` if the answer was not awaited,
    /// because enough other endpoints were healthy.
    pub result: Option<&'static str>,
    /// The sentence about an unhealthy endpoint.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub message: Option<String>,
    /// The duration of the check, in milliseconds.
    #[serde(rename = "ms")]
    pub took_ms: Option<f64>,
}

// === impl Row ===

impl Row {
    /// Records the result of a check.
    pub fn observe(&mut self, verdict: &Verdict, took: Duration) {
        self.result = Some(verdict::code(verdict));
        self.message = verdict.as_ref().err().map(ToString::to_string);
        self.took_ms = Some((took.as_secs_f64() * 1e6).round() / 1e3);
    }

    /// Returns true if the endpoint is known to be unhealthy.
    pub fn is_unhealthy(&self) -> bool {
        self.result.is_some_and(|result| result != HEALTHY)
    }
}
