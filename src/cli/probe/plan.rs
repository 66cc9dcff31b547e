//! The plan of one check, the same for all tools.

use std::time::Duration;

use super::options;
use crate::check::options::{Options, Protocol};
use crate::cli::exit::Tool;
#[cfg(feature = "kubernetes")]
use crate::cluster;
use crate::flags::notice::Notice;

/// The plan of one check.
#[derive(Debug)]
pub struct Plan {
    /// The tool, which decides the exit codes and the texts.
    pub tool: Tool,
    /// The target and its wire.
    pub target: Options,
    /// The wire that `--protocol=auto` tries first.
    pub hint: Option<Protocol>,
    /// The limits of both halves, or `None` if only `check_timeout` applies.
    pub limits: Option<Limits>,
    /// The API server that lists the endpoints of a Service, for tools that support one.
    #[cfg(feature = "kubernetes")]
    pub cluster: Option<cluster::options::Options>,
    /// The options of the output and the exit code.
    pub report: options::Report,
    /// The notices to log once the log is set up.
    pub notices: Vec<Notice>,
}

/// The time for each half of a check.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Limits {
    /// The time limit for connecting.
    pub connect: Duration,
    /// The time limit for the call, once connected.
    pub call: Duration,
}

// === impl Plan ===

impl Plan {
    /// Raises `check_timeout` to the sum of both limits, so that it never ends a check earlier.
    pub(super) fn leave_room(&mut self) {
        if let Some(Limits { connect, call }) = self.limits {
            self.target.check_timeout.0 = connect.saturating_add(call);
        }
    }
}
