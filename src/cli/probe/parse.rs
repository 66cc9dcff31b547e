//! The command line of each one-shot check, parsed into a [`Plan`].

use std::ffi::OsString;

use clap::error::ErrorKind;

use super::plan::{Limits, Plan};
use super::{grpc_health_probe, options};
use crate::app::go_micro;
#[cfg(feature = "kubernetes")]
use crate::check::server_address::ServerAddress;
use crate::cli::exit::Tool;
use crate::flags::ParsedArgs;

/// Parses a tool's command line.
///
/// # Errors
///
/// Returns clap's errors, which also carry `--help` and `--version`.
pub fn read(
    tool: Tool,
    argv: Vec<OsString>,
    variable: impl Fn(&str) -> Option<OsString>,
) -> Result<Plan, clap::Error> {
    let (ours, limits, notices) = match tool {
        Tool::Health => {
            let read: ParsedArgs<options::Health> = options::HEALTH.parse(argv, &variable)?;
            (read.args.common, None, read.notices)
        }
        Tool::Micro => {
            let read: ParsedArgs<options::Micro> = options::MICRO.parse(argv, &variable)?;
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
    let mut plan = Plan {
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
    if let ServerAddress::Service(_) = plan.target.server_address {
        // Each endpoint has both limits; `leave_room` has set their sum for the whole check.
        plan.limits = None;
    }
    Ok(plan)
}

#[cfg(test)]
mod tests;
