//! What one check is to do, whichever tool's flags said so.

use std::ffi::OsString;
use std::time::Duration;

use clap::error::ErrorKind;

use super::dialect::Tool;
use super::{grpc_health_probe, options};
use crate::args::{Notice, Read, go_micro};
#[cfg(feature = "kubernetes")]
use crate::cluster;
#[cfg(feature = "kubernetes")]
use crate::target::endpoint::Endpoint;
use crate::target::options::{Options, Protocol};

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
    /// Reads a tool's command line.
    ///
    /// # Errors
    ///
    /// clap's, which also carry `--help` and `--version`.
    pub fn read(
        tool: Tool,
        argv: Vec<OsString>,
        variable: impl Fn(&str) -> Option<OsString>,
    ) -> Result<Self, clap::Error> {
        let (ours, limits, notices) = match tool {
            Tool::Health => {
                let read: Read<options::Health> = options::HEALTH.read(argv, &variable)?;
                (read.args.common, None, read.notices)
            }
            Tool::Micro => {
                let read: Read<options::Micro> = options::MICRO.read(argv, &variable)?;
                let limits = Limits {
                    connect: read.args.connect_timeout.0,
                    call: read.args.rpc_timeout.0,
                };
                (read.args.common, Some(limits), read.notices)
            }
            Tool::GrpcHealth => return grpc_health_probe::read(argv),
        };
        let conflict = |why| clap::Error::raw(ErrorKind::ArgumentConflict, format!("{why}\n"));
        ours.target.tls.validate().map_err(conflict)?;
        let mut plan = Self {
            tool,
            hint: go_micro::hint(ours.go_micro.server.as_deref(), variable),
            target: ours.target,
            limits,
            #[cfg(feature = "kubernetes")]
            cluster: Some(ours.cluster),
            report: ours.report,
            notices,
        };
        plan.leave_room();
        #[cfg(feature = "kubernetes")]
        if let Endpoint::Service(_) = plan.target.server_address {
            // Each half is each endpoint's; the sum is known.
            plan.limits = None;
        }
        Ok(plan)
    }

    /// Two limits leave none to the one over all.
    pub(super) fn leave_room(&mut self) {
        if let Some(Limits { connect, call }) = self.limits {
            self.target.check_timeout.0 = connect.saturating_add(call);
        }
    }
}

#[cfg(test)]
mod tests;
