//! The output of the state machine. Pure.

use std::time::Duration;

use crate::registry::plan::write::Write;

/// An output of the state machine, for one service. It replaces that service's earlier wait.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(crate) enum Action {
    /// Sends the write to the pod of this uid; the answer is an event.
    Write(Write, String),
    /// Reads the pod; the answer is an event.
    Read,
    /// Waits for a random time between the two, and sends [`Event::Due`](super::Event::Due).
    Wait(Duration, Duration),
}
