//! The content of the page as JSON.
//!
//! Serializes structs and not a tree of values, which would take two megabytes for 64 targets.

use std::time::SystemTime;

use serde::Serialize;

use crate::check::record::Sample;
use crate::check::row::Row;
use crate::registration::status;
use crate::server::status_page::endpoints;
use crate::server::status_page::html::milliseconds;
use crate::server::status_page::status::{Status, TargetStatus};

/// The whole content.
#[derive(Serialize)]
pub(super) struct Document<'a> {
    status: &'static str,
    draining: bool,
    targets: Vec<Target<'a>>,
    registration: Option<status::Document<'a>>,
    version: &'static str,
}

/// A target with its latest check and its history.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Target<'a> {
    name: &'a str,
    address: &'a str,
    protocol: &'static str,
    status: &'static str,
    since: Option<String>,
    reason: Option<&'static str>,
    detail: Option<String>,
    todo: Option<&'static str>,
    last_probe: Option<String>,
    age_ms: Option<u128>,
    last_success: Option<String>,
    certificate_expires: Option<String>,
    endpoints: Option<Vec<Row>>,
    history: Vec<Bar>,
}

/// A check of the history.
#[derive(Serialize)]
struct Bar {
    result: &'static str,
    ms: f64,
}

// === impl Document ===

impl<'a> Document<'a> {
    pub(super) fn new(status: &'a Status) -> Self {
        let target = |target| Target::new(target, status);
        let registration = status.registration.as_ref();
        Self {
            status: status.verdict(),
            draining: status.draining,
            targets: status.targets.iter().map(target).collect(),
            registration: registration.map(|it| it.document(status.now)),
            version: crate::VERSION,
        }
    }
}

// === impl Target ===

impl<'a> Target<'a> {
    fn new(target: &'a TargetStatus, status: &Status) -> Self {
        let record = &target.record;
        let latest = record.latest.as_ref();
        let failure = latest.and_then(|check| check.verdict.as_ref().err());
        let reason = failure.map(crate::check::unhealthy::Unhealthy::reason);
        let detail = failure.filter(|_| status.expose_errors);
        let age = |at| status.now.duration_since(at).unwrap_or_default();
        Self {
            name: &target.name,
            address: &target.address,
            protocol: target.protocol,
            status: match (latest, failure) {
                (None, _) => "unknown",
                (Some(_), None) => "healthy",
                (Some(_), Some(_)) => "unhealthy",
            },
            since: record.since.map(time),
            reason: reason.map(|it| it.code),
            detail: detail.map(ToString::to_string),
            todo: reason.map(|it| it.remedy),
            last_probe: latest.map(|check| time(check.at)),
            age_ms: latest.map(|check| age(check.at).as_millis()),
            last_success: record.last_success.map(time),
            certificate_expires: target.certificate_expiry.map(time),
            endpoints: endpoints::rows(&target.rows, status.expose_errors),
            history: record.history.iter().map(Bar::new).collect(),
        }
    }
}

// === impl Bar ===

impl Bar {
    fn new(&Sample { code, took }: &Sample) -> Self {
        Self {
            result: code,
            ms: milliseconds(took),
        }
    }
}

fn time(at: SystemTime) -> String {
    humantime::format_rfc3339_millis(at).to_string()
}
