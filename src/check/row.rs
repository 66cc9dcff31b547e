//! What one endpoint of a target was found to be, for the pages and `health probe`.

use std::time::Duration;

use serde::Serialize;

use crate::check::verdict::{self, HEALTHY, Verdict};

/// One endpoint.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Row {
    /// Where it is.
    pub address: String,
    /// Its pod.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub pod: Option<String>,
    /// Whether the API server calls it ready.
    pub ready: bool,
    /// ok, or the reason's code; none if its answer was not waited for, because enough
    /// others were healthy.
    pub result: Option<&'static str>,
    /// What was found, in words.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub message: Option<String>,
    /// How long that took, in milliseconds.
    #[serde(rename = "ms")]
    pub took_ms: Option<f64>,
}

// === impl Row ===

impl Row {
    /// Takes in what was found.
    pub fn observe(&mut self, verdict: &Verdict, took: Duration) {
        self.result = Some(verdict::code(verdict));
        self.message = verdict.as_ref().err().map(ToString::to_string);
        self.took_ms = Some((took.as_secs_f64() * 1e6).round() / 1e3);
    }

    /// Whether it is known to be unhealthy.
    pub fn is_unhealthy(&self) -> bool {
        self.result.is_some_and(|result| result != HEALTHY)
    }
}
