//! The content of the page.

use std::time::SystemTime;

use crate::check::record::Record;
use crate::check::row::Row;
use crate::registration::status;

/// The content of the page.
#[derive(Clone, Debug)]
pub(crate) struct Status {
    /// The targets, the main one first.
    pub targets: Vec<TargetStatus>,
    /// The flag is true after SIGTERM.
    pub draining: bool,
    /// The flag is true if the error's own text may leave the pod.
    pub expose_errors: bool,
    /// The registration, if there is one.
    pub registration: Option<status::Status>,
    /// The time of the page.
    pub now: SystemTime,
}

/// A row of the page.
#[derive(Clone, Debug)]
pub(crate) struct TargetStatus {
    /// The name of the target, which may be any text.
    pub name: String,
    /// The address of the target.
    pub address: String,
    /// The protocol that the target was found to speak.
    pub protocol: &'static str,
    /// The end of the certificate's validity, if the target has presented one.
    pub certificate_expiry: Option<SystemTime>,
    /// The record of the target's checks.
    pub record: Record,
    /// The results of the target's endpoints, if it is a Service.
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
