//! `health resolve`: the endpoints of a target, once or until the reader leaves.
//!
//! ```text
//! argv ──▶ options ──▶ one list ──▶ report: addresses, or why there is none ──▶ exit code
//!                      └─▶ --watch: and every change
//! ```

use std::ffi::OsString;
use std::io::{self, Write};
use std::time::Duration;

use tokio::time;
use tracing::level_filters::LevelFilter;

use self::options::Flags;
use self::report::Report;
use super::command;
use super::console::Console;
use super::exit::{DONE, REFUSED, USAGE};
use crate::cluster::{Cluster, Refusal};
use crate::flags::ParsedArgs;
use crate::flags::notice::Notice;
use crate::resolver::no_endpoints::{self, Known};
use crate::resolver::{Endpoints, Resolver};

pub(crate) mod options;
pub(crate) mod report;

/// The time limit for the first answer. The crate's own client gives up after at most 30 s.
const PATIENCE: Duration = Duration::from_secs(35);

/// Runs the command and returns the exit code.
pub(crate) fn run(
    argv: Vec<OsString>,
    variable: impl Fn(&str) -> Option<OsString>,
    console: &mut Console<'_>,
) -> u8 {
    let ParsedArgs {
        args: flags,
        notices,
    } = match options::RESOLVE.parse::<Flags>(argv, &variable) {
        Ok(parsed) => parsed,
        Err(refusal) => return console.refuse(&refusal, USAGE),
    };
    for notice in &notices {
        if let Notice::BadVariable { .. } = notice {
            let _ = writeln!(console.err, "warning: {notice}");
        }
    }
    let cluster = Cluster::new(&flags.cluster, &variable);
    command::run(
        LevelFilter::OFF,
        cluster,
        console,
        async |cluster, console| act(&flags, &Resolver::of(&cluster), console).await,
    )
}

/// Resolves once, or until the output is closed by its reader, and returns the exit code.
///
/// # Errors
///
/// Fails if the output was closed by its reader.
pub(crate) async fn act(
    flags: &Flags,
    resolver: &Resolver,
    console: &mut Console<'_>,
) -> io::Result<u8> {
    let mut endpoints = resolver.endpoints(flags.target.clone());
    if let Err(refusal) = first(&endpoints).await
        && (refusal.is_denied() || !flags.watch)
    {
        let namespace = endpoints.target().namespace.as_deref();
        let message = report::refused(&refusal, namespace.unwrap_or_default());
        writeln!(console.err, "error: {message}")?;
        return Ok(REFUSED);
    }
    if flags.watch {
        follow(flags, &mut endpoints, console.out, console.err).await
    } else {
        once(flags, &endpoints, console.out, console.err).await
    }
}

async fn first(endpoints: &Endpoints) -> Result<(), Refusal> {
    let known = time::timeout(PATIENCE, endpoints.known()).await;
    let late = |_| Refusal::Unreachable(format!("no answer within {PATIENCE:?}").into());
    known.map_err(late)?.map(drop)
}

/// Prints the endpoints, or the reason why there are none.
async fn once(
    flags: &Flags,
    endpoints: &Endpoints,
    out: &mut dyn Write,
    err: &mut dyn Write,
) -> io::Result<u8> {
    let report = report(flags, endpoints).await;
    write!(out, "{}", report.whole(flags.output))?;
    print_problem(&report, err)
}

/// Prints the endpoints and every change. Ends only when the output is closed.
async fn follow(
    flags: &Flags,
    endpoints: &mut Endpoints,
    out: &mut dyn Write,
    err: &mut dyn Write,
) -> io::Result<u8> {
    let mut before: Option<Report> = None;
    loop {
        endpoints.changed().await;
        let report = report(flags, endpoints).await;
        write!(out, "{}", report.since(before.as_ref(), flags.output))?;
        out.flush()?;
        if before.is_none_or(|before| before.problem() != report.problem()) {
            print_problem(&report, err)?;
        }
        before = Some(report);
    }
}

/// Prints warnings or the error, and returns the exit code.
fn print_problem(report: &Report, err: &mut dyn Write) -> io::Result<u8> {
    if let Some(unlisted) = &report.unlisted {
        writeln!(err, "warning: {unlisted}")?;
    }
    if let Some(refusal) = report.state.refusal() {
        writeln!(
            err,
            "warning: the endpoints are {}: {refusal}",
            report.state.name()
        )?;
    } else if let Some(absence) = &report.absence {
        writeln!(err, "error: {absence}")?;
        return Ok(REFUSED);
    }
    Ok(DONE)
}

async fn report(flags: &Flags, endpoints: &Endpoints) -> Report {
    let (union, state) = (endpoints.union(), endpoints.state());
    let target = endpoints.target();
    let mut known = Known::Nothing;
    if state.refusal().is_none() {
        let read = time::timeout(PATIENCE, endpoints.service(&union));
        known = read.await.unwrap_or(Known::Nothing);
    }
    let include = flags.include_not_ready;
    Report {
        target: target.clone(),
        state,
        absence: no_endpoints::reason(target, &union, include, &known),
        unlisted: no_endpoints::unlisted(target, &union, &known),
        endpoints: union.candidates(include).cloned().collect(),
    }
}
