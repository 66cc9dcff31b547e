//! The pod's registration for the routes.

use std::time::Duration;

use crate::registration::Handle;

/// The pod's registration and its limits for the routes `/readyz` and `/prestop`.
#[derive(Clone, Debug)]
pub(crate) struct Registration {
    /// The handle of the registration.
    pub handle: Handle,
    /// The value of `--require_registered`.
    pub is_required: bool,
    /// The longest time that a preStop hook is delayed.
    pub prestop: Duration,
    /// The part of that time in which clients may notice the end.
    pub drain: Duration,
}
