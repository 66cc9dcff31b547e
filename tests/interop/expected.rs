//! The table of expected verdicts of each cell in each mode, for every `--protocol`.

use Expected::{Healthy, Unhealthy};

/// The modes in which a cell can be started; its `FIX_MODE`.
pub const MODES: [&str; 9] = [
    "stock",
    "register",
    "none",
    "hang",
    "error",
    "plainerror",
    "panic",
    "degraded",
    "empty",
];

/// The expected verdict of a running cell.
#[derive(Clone, Copy, Debug)]
pub enum Expected {
    /// The cell has no such mode.
    Absent,
    Healthy,
    /// The service is unhealthy for this reason.
    Unhealthy(&'static str),
}

const __: Expected = Expected::Absent;
const OK: Expected = Healthy;
/// The service answers, but not with "ok".
const DOWN: Expected = Unhealthy("not_serving");
/// The service has no registered Debug.
const BARE: Expected = Unhealthy("no_debug");
const LATE: Expected = Unhealthy("deadline");
/// The service died during the call, or closed the connection.
const DEAD: Expected = Unhealthy("unreachable");

/// The verdicts of every cell, in the order of [`MODES`].
#[rustfmt::skip]
pub const TABLE: [(&str, [Expected; MODES.len()]); 13] = [
    //                stock regis none  hang  error plain panic degra empty
    ("v1.8.0-grpc",  [OK,   __,   __,   LATE, DOWN, DOWN, DEAD, DOWN, DOWN]),
    ("v1.8.0-mucp",  [OK,   __,   __,   LATE, DOWN, DOWN, DEAD, DOWN, DOWN]),
    ("v1.18.0-grpc", [OK,   __,   BARE, LATE, DOWN, DOWN, DOWN, DOWN, DOWN]),
    ("v1.18.0-mucp", [OK,   __,   BARE, LATE, DOWN, DOWN, DEAD, DOWN, DOWN]),
    ("v2.9.1-grpc",  [OK,   __,   __,   LATE, DOWN, DOWN, DOWN, DOWN, DOWN]),
    ("v2.9.1-mucp",  [OK,   __,   __,   LATE, DOWN, DOWN, LATE, DOWN, DOWN]),
    ("v3.7.1-grpc",  [OK,   __,   __,   LATE, DOWN, DOWN, DOWN, DOWN, DOWN]),
    ("v3.7.1-mucp",  [OK,   __,   __,   LATE, DOWN, DOWN, LATE, DOWN, DOWN]),
    ("v4.7.0-mucp",  [OK,   __,   __,   LATE, DOWN, DOWN, LATE, DOWN, DOWN]),
    ("v4.10.2-grpc", [BARE, OK,   __,   LATE, DOWN, DOWN, DOWN, DOWN, DOWN]),
    ("v4.10.2-mucp", [BARE, OK,   __,   LATE, DOWN, DOWN, LATE, DOWN, DOWN]),
    ("v5.30.0-grpc", [BARE, OK,   __,   LATE, DOWN, DOWN, DOWN, DOWN, DOWN]),
    ("v5.30.0-mucp", [BARE, OK,   __,   LATE, DOWN, DOWN, LATE, DOWN, DOWN]),
];

/// Returns the protocol of a cell, as `--protocol` names it.
pub fn wire(cell: &str) -> &str {
    let (_, wire) = cell
        .rsplit_once('-')
        .expect("a cell must be named RELEASE-WIRE");
    wire
}

/// Returns every cell with a mode in which it is healthy.
pub fn healthy() -> impl Iterator<Item = (&'static str, &'static str)> {
    pairs()
        .filter(|(_, _, expected)| matches!(expected, Healthy))
        .map(|(cell, mode, _)| (cell, mode))
}

/// Returns every cell with a mode in which it serves no Debug.
pub fn bare() -> impl Iterator<Item = (&'static str, &'static str)> {
    pairs()
        .filter(|(_, _, expected)| matches!(expected, Unhealthy("no_debug")))
        .map(|(cell, mode, _)| (cell, mode))
}

/// Returns every cell in every mode that it has.
pub fn pairs() -> impl Iterator<Item = (&'static str, &'static str, Expected)> {
    TABLE.into_iter().flat_map(|(cell, row)| {
        let row = MODES.into_iter().zip(row);
        row.filter(|(_, expected)| !matches!(expected, Expected::Absent))
            .map(move |(mode, expected)| (cell, mode, expected))
    })
}

/// Returns the status of `/healthz?code=reason` for a reason.
pub fn detailed_status(reason: Option<&str>) -> u16 {
    match reason {
        None => 200,
        Some("not_serving" | "unreachable") => 503,
        Some("no_debug") => 501,
        Some("unknown_service") => 404,
        Some("deadline") => 504,
        Some("denied" | "tls") => 502,
        Some("protocol") => 500,
        Some(other) => panic!("{other:?} is no reason the sidecar may give"),
    }
}

// === impl Expected ===

impl Expected {
    /// Returns whether a verdict, healthy or with its reason, is the expected one.
    pub fn allows(self, reason: Option<&str>) -> bool {
        match (self, reason) {
            (Healthy, None) => true,
            (Unhealthy(expected), Some(reason)) => expected == reason,
            _ => false,
        }
    }
}
