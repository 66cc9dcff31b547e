//! What one check is to do, whichever tool's flags said so.

use std::time::Duration;

use super::options;
use crate::check::options::{Options, Protocol};
use crate::cli::exit::Tool;
#[cfg(feature = "kubernetes")]
use crate::cluster;
use crate::flags::notice::Notice;

/// One check.
#[derive(Debug)]
pub struct Plan {
    /// Whose exit codes to use, and whose words.
    pub tool: Tool,
    /// Whom to ask, and how.
    pub target: Options,
    /// Which wire `--protocol=auto` should try first.
    pub hint: Option<Protocol>,
    /// Two limits of their own; `None` for `check_timeout` alone.
    pub limits: Option<Limits>,
    /// Which API server knows the endpoints of a Service, for a tool that asks one.
    #[cfg(feature = "kubernetes")]
    pub cluster: Option<cluster::options::Options>,
    /// What to say.
    pub report: options::Report,
    /// What to tell the operator once there is a log.
    pub notices: Vec<Notice>,
}

/// The time for each half of a check.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Limits {
    /// To connect.
    pub connect: Duration,
    /// To call, once connected.
    pub call: Duration,
}

// === impl Plan ===

impl Plan {
    /// Two limits leave none to the one over all.
    pub(super) fn leave_room(&mut self) {
        if let Some(Limits { connect, call }) = self.limits {
            self.target.check_timeout.0 = connect.saturating_add(call);
        }
    }
}
