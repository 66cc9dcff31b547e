//! The content of the page.

use std::time::SystemTime;

use crate::check::record::Record;
use crate::check::row::Row;
use crate::registration::status;

/// The content of the page.
#[derive(Clone, Debug)]
pub struct Status {
    /// The targets, the main one first.
    pub targets: Vec<TargetStatus>,
    /// After SIGTERM.
    pub draining: bool,
    /// Whether the error's own text may leave the pod.
    pub expose_errors: bool,
    /// The registration, if there is one.
    pub registration: Option<status::Status>,
    /// When the page is made.
    pub now: SystemTime,
}

/// A row of the page.
#[derive(Clone, Debug)]
pub struct TargetStatus {
    /// The target's name: any text.
    pub name: String,
    /// Where it is.
    pub address: String,
    /// What it was found to speak.
    pub protocol: &'static str,
    /// Until when its certificate is valid, if it has shown one.
    pub certificate_expiry: Option<SystemTime>,
    /// What its checks have been.
    pub record: Record,
    /// What its endpoints were found to be, if it is a Service.
    pub rows: Vec<Row>,
}

// === impl Status ===

impl Status {
    /// Returns the verdict on all targets together.
    pub(super) fn verdict(&self) -> &'static str {
        let latest = |target: &TargetStatus| {
            target
                .record
                .latest
                .as_ref()
                .map(|check| check.verdict.is_ok())
        };
        let verdicts: Vec<_> = self.targets.iter().map(latest).collect();
        if verdicts.contains(&Some(false)) {
            "unhealthy"
        } else if verdicts.contains(&None) {
            "unknown"
        } else {
            "healthy"
        }
    }
}

// === impl TargetStatus ===

impl TargetStatus {
    /// Returns whether the latest check was healthy.
    pub(super) fn is_healthy(&self) -> bool {
        self.record
            .latest
            .as_ref()
            .is_some_and(|check| check.verdict.is_ok())
    }
}
