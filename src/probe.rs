//! `health probe`: one check, one line, one exit code.
//!
//! ```text
//! argv ──▶ dialect: which tool ──▶ plan: its flags ──▶ check ──▶ words, exit code
//! ```

use std::ffi::OsString;
use std::io::{self, Write};
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use tokio::runtime;
use tokio::time::{self, Instant};
use tracing::level_filters::LevelFilter;

use self::dialect::{HEALTHY, Tool, USAGE};
use self::plan::{Limits, Plan};
use self::words::Facts;
use crate::args::Notice;
#[cfg(feature = "kubernetes")]
use crate::cluster::Cluster;
use crate::log;
#[cfg(feature = "kubernetes")]
use crate::resolver::Resolver;
#[cfg(feature = "kubernetes")]
use crate::target::endpoint::Endpoint;
use crate::target::{Check, Target};
use crate::text::printable;
use crate::unhealthy::{Failed, Stage, Unhealthy};

pub mod dialect;
mod grpc_health_probe;
pub mod options;
pub mod plan;
pub mod words;

/// Runs one check and returns the exit code. A line that nobody reads is lost.
pub fn run(
    tool: Tool,
    argv: Vec<OsString>,
    variable: impl Fn(&str) -> Option<OsString>,
    out: &mut dyn Write,
    err: &mut dyn Write,
) -> u8 {
    let plan = match Plan::read(tool, argv, &variable) {
        Ok(plan) => plan,
        Err(refusal) => {
            let is_refusal = refusal.use_stderr();
            let to: &mut dyn Write = if is_refusal { err } else { out };
            let _ = write!(to, "{}", refusal.render());
            return if is_refusal { USAGE } else { HEALTHY };
        }
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
    let target = match Target::new(plan.target, plan.hint, Duration::ZERO) {
        Ok(target) => target,
        Err(why) => {
            let _ = writeln!(err, "error: {}", printable(&why.to_string()));
            return USAGE;
        }
    };
    #[cfg(feature = "kubernetes")]
    let cluster = plan.cluster;
    let checked = check(&target, plan.limits, async || {
        #[cfg(feature = "kubernetes")]
        if let (Endpoint::Service(_), Some(cluster)) = (target.address(), &cluster) {
            let cluster = Cluster::new(cluster, &variable).await;
            target.resolve(&Resolver::of(&cluster.map_err(io::Error::other)?));
        }
        Ok(())
    });
    let (check, code) = match checked {
        Ok(check) => (check.clone(), tool.exit_code(&check)),
        Err(error) => {
            let error = error.to_string();
            let _ = writeln!(err, "error: cannot start: {}", printable(&error));
            return tool
                .failed(Failed::ToConnect)
                .min(if report.exit01 { 1 } else { u8::MAX });
        }
    };
    let exit_code = if report.exit01 { code.min(1) } else { code };
    if !report.quiet {
        let facts = Facts {
            service: target.name(),
            address: target.address().to_string(),
            protocol: target.protocol(),
            check: &check,
            rows: target.rows(),
            exit_code,
        };
        // That tool logs everything.
        let to: &mut dyn Write = if tool == Tool::GrpcHealth { err } else { out };
        let line = facts.line(tool, report.output);
        let _ = writeln!(to, "{}", printable(&line));
    }
    exit_code
}

/// Prepares what wants a runtime, and checks.
fn check(
    target: &Arc<Target>,
    limits: Option<Limits>,
    prepare: impl AsyncFnOnce() -> io::Result<()>,
) -> io::Result<Arc<Check>> {
    let runtime = runtime::Builder::new_current_thread()
        .enable_all()
        .build()?;
    let check = runtime.block_on(async {
        prepare().await?;
        Ok(match limits {
            None => target.check().await,
            Some(limits) => check_within(target, limits).await,
        })
    });
    // A resolver that hangs must not hold up the exit.
    runtime.shutdown_background();
    check
}

/// A check with a limit for each half.
async fn check_within(target: &Arc<Target>, limits: Limits) -> Arc<Check> {
    let started = Instant::now();
    tokio::select! {
        biased;
        check = target.check() => check,
        (limit, reached) = overdue(target, limits) => Arc::new(Check {
            verdict: Err(Unhealthy::Deadline(limit, reached)),
            reached,
            took: started.elapsed(),
            at: SystemTime::now(),
            finished: Instant::now(),
        }),
    }
}

/// Resolves when the first limit has passed.
async fn overdue(target: &Target, limits: Limits) -> (Duration, Stage) {
    let Limits { connect, call } = limits;
    if time::timeout(connect, target.connected()).await.is_err() {
        return (connect, target.stage());
    }
    time::sleep(call).await;
    (call, Stage::Waiting)
}
