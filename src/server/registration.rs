//! The pod's registration, as the routes use it.

use std::time::Duration;

use crate::registration::Handle;

/// The pod's registration and its limits for the routes `/readyz` and `/prestop`.
#[derive(Clone, Debug)]
pub struct Registration {
    /// The registration itself.
    pub handle: Handle,
    /// `--require_registered`.
    pub is_required: bool,
    /// The longest that a preStop hook is held up.
    pub prestop: Duration,
    /// How much of that is for clients to notice.
    pub drain: Duration,
}
