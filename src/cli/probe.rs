//! `health probe`: one check, one line, one exit code.
//!
//! ```text
//! argv ──▶ parse: the flags of the tool ──▶ plan ──▶ check ──▶ report: one line, exit code
//! ```

use std::ffi::OsString;
use std::io::{self, Write};
use std::sync::Arc;
use std::time::Duration;

use tokio::runtime;
use tokio::time::{self, Instant};
use tracing::level_filters::LevelFilter;

use self::plan::{Limits, Plan};
use self::report::Outcome;
use super::console::Console;
use super::exit::{PROBE_USAGE, Tool};
use crate::app::log;
use crate::check::target::{InvalidTarget, Settings};
use crate::check::unhealthy::{FailureStep, Unhealthy};
use crate::check::{Check, Target};
use crate::flags::notice::Notice;
use crate::net::stage::Stage;
use crate::text::printable;

mod grpc_health_probe;
pub(crate) mod options;
pub mod parse;
pub(crate) mod plan;
pub(crate) mod report;

/// The reason why a check could not be made.
#[derive(Debug, thiserror::Error)]
enum NotChecked {
    #[error(transparent)]
    Target(#[from] InvalidTarget),
    #[error("cannot start: {0}")]
    Start(#[from] io::Error),
    #[cfg(feature = "kubernetes")]
    #[error("cannot start: {0}")]
    Cluster(#[from] crate::cluster::Unusable),
}

/// Runs one check and returns the exit code. Ignores a failure to write the line.
pub(crate) fn run(
    tool: Tool,
    argv: Vec<OsString>,
    variable: &dyn Fn(&str) -> Option<OsString>,
    console: &mut Console<'_>,
) -> u8 {
    let plan = match parse::read(tool, argv, variable) {
        Ok(plan) => plan,
        Err(refusal) => return console.refuse(&refusal, PROBE_USAGE),
    };
    let report = plan.report;
    if report.verbose {
        let (log_format, log_level) = (log::Format::Text, LevelFilter::DEBUG);
        log::Options {
            log_format,
            log_level,
        }
        .init();
        plan.notices.iter().for_each(Notice::log);
    }
    let (target, check) = match check(plan, variable) {
        Ok(checked) => checked,
        Err(error) => {
            let _ = writeln!(console.err, "error: {}", printable(&error.to_string()));
            return match error {
                NotChecked::Target(_) => PROBE_USAGE,
                #[cfg(feature = "kubernetes")]
                NotChecked::Cluster(_) => report.bounded(tool.failed(FailureStep::Connect)),
                NotChecked::Start(_) => report.bounded(tool.failed(FailureStep::Connect)),
            };
        }
    };
    let exit_code = report.bounded(tool.exit_code(&check));
    if !report.quiet {
        let outcome = Outcome {
            service: target.name(),
            address: target.address().to_string(),
            protocol: target.protocol(),
            check: &check,
            rows: target.rows(),
            exit_code,
        };
        // grpc_health_probe writes all its output to stderr.
        let to = if tool == Tool::GrpcHealth {
            &mut console.err
        } else {
            &mut console.out
        };
        let line = outcome.line(tool, report.output);
        let _ = writeln!(to, "{}", printable(&line));
    }
    exit_code
}

/// Makes one check on a runtime of its own.
fn check(
    plan: Plan,
    variable: &dyn Fn(&str) -> Option<OsString>,
) -> Result<(Arc<Target>, Arc<Check>), NotChecked> {
    let limits = plan.limits;
    let runtime = runtime::Builder::new_current_thread()
        .enable_all()
        .build()?;
    let checked = runtime.block_on(async {
        let settings = settings(&plan, variable).await?;
        let target = Target::new(plan.target, &settings)?;
        let check = match limits {
            None => target.check().await,
            Some(limits) => check_within(&target, limits).await,
        };
        Ok((target, check))
    });
    // A DNS lookup that hangs must not delay the exit.
    runtime.shutdown_background();
    checked
}

#[cfg(feature = "kubernetes")]
async fn settings(
    plan: &Plan,
    variable: &dyn Fn(&str) -> Option<OsString>,
) -> Result<Settings, NotChecked> {
    use crate::check::server_address::ServerAddress;
    use crate::cluster::Cluster;
    use crate::resolver::Resolver;

    let mut settings = Settings {
        hint: plan.hint,
        ..Settings::default()
    };
    if let (ServerAddress::Service(_), Some(options)) = (&plan.target.server_address, &plan.cluster)
    {
        let cluster = Cluster::new(options, variable).await?;
        settings.resolver = Some(Resolver::of(&cluster));
    }
    Ok(settings)
}

#[cfg(not(feature = "kubernetes"))]
#[expect(clippy::unused_async, reason = "the signature of the other build")]
async fn settings(
    plan: &Plan,
    _: &dyn Fn(&str) -> Option<OsString>,
) -> Result<Settings, NotChecked> {
    Ok(Settings {
        hint: plan.hint,
        ..Settings::default()
    })
}

/// Runs a check with a limit for each half.
async fn check_within(target: &Arc<Target>, limits: Limits) -> Arc<Check> {
    let started = Instant::now();
    tokio::select! {
        biased;
        check = target.check() => check,
        (limit, reached) = overdue(target, limits) => Arc::new(Check::finish(started, Err(Unhealthy::Deadline(limit, reached)), reached)),
    }
}

/// Returns when one of the limits has passed, with that limit.
async fn overdue(target: &Target, limits: Limits) -> (Duration, Stage) {
    let Limits { connect, call } = limits;
    if time::timeout(connect, target.connected()).await.is_err() {
        return (connect, target.stage());
    }
    time::sleep(call).await;
    (call, Stage::Waiting)
}
