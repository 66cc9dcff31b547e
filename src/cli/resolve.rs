//! `health resolve`: the endpoints of a target, once or for as long as anybody reads.
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
use crate::resolver::absence::{self, Known};
use crate::resolver::{Endpoints, Resolver, service};

pub mod options;
pub mod report;

/// Bounds the first answer, whichever client asks; ours gives up after 30 s at most.
const PATIENCE: Duration = Duration::from_secs(35);

/// Runs the command and returns the exit code.
pub fn run(
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

/// Resolves once, or until nobody reads the output any more, and returns the exit code.
///
/// # Errors
///
/// The output has no reader any more.
pub async fn act(flags: &Flags, resolver: &Resolver, console: &mut Console<'_>) -> io::Result<u8> {
    let mut endpoints = resolver.endpoints(flags.target.clone());
    if let Err(refusal) = first(&endpoints).await
        && (refusal.is_denied() || !flags.watch)
    {
        let namespace = endpoints.target().namespace.as_deref();
        let told = report::refused(&refusal, namespace.unwrap_or_default());
        writeln!(console.err, "error: {told}")?;
        return Ok(REFUSED);
    }
    if flags.watch {
        follow(flags, resolver, &mut endpoints, console.out, console.err).await
    } else {
        once(flags, resolver, &endpoints, console.out, console.err).await
    }
}

async fn first(endpoints: &Endpoints) -> Result<(), Refusal> {
    let known = time::timeout(PATIENCE, endpoints.known()).await;
    let late = |_| Refusal::Unreachable(format!("no answer within {PATIENCE:?}").into());
    known.map_err(late)?.map(drop)
}

/// What there is, or why there is nothing.
async fn once(
    flags: &Flags,
    resolver: &Resolver,
    endpoints: &Endpoints,
    out: &mut dyn Write,
    err: &mut dyn Write,
) -> io::Result<u8> {
    let report = report(flags, resolver, endpoints).await;
    write!(out, "{}", report.whole(flags.output))?;
    say(&report, err)
}

/// What there is, and every change of it. Never ends by itself.
async fn follow(
    flags: &Flags,
    resolver: &Resolver,
    endpoints: &mut Endpoints,
    out: &mut dyn Write,
    err: &mut dyn Write,
) -> io::Result<u8> {
    let mut before: Option<Report> = None;
    loop {
        endpoints.changed().await;
        let report = report(flags, resolver, endpoints).await;
        write!(out, "{}", report.since(before.as_ref(), flags.output))?;
        out.flush()?;
        if before.is_none_or(|before| before.problem() != report.problem()) {
            say(&report, err)?;
        }
        before = Some(report);
    }
}

/// Says what is wrong, and returns the exit code for it.
fn say(report: &Report, err: &mut dyn Write) -> io::Result<u8> {
    if let Some(unlisted) = &report.unlisted {
        writeln!(err, "warning: {unlisted}")?;
    }
    if let Some(refusal) = report.state.refusal() {
        writeln!(
            err,
            "warning: {}, not known now: {refusal}",
            report.state.name()
        )?;
    } else if let Some(absence) = &report.absence {
        writeln!(err, "error: {absence}")?;
        return Ok(REFUSED);
    }
    Ok(DONE)
}

async fn report(flags: &Flags, resolver: &Resolver, endpoints: &Endpoints) -> Report {
    let (union, state) = (endpoints.union(), endpoints.state());
    let target = endpoints.target();
    let mut known = Known::Nothing;
    if state.refusal().is_none() && absence::needs_service(target, &union) {
        let namespace = target.namespace.as_deref().unwrap_or_default();
        let read = service::read(resolver.client(), namespace, &target.service);
        known = match time::timeout(PATIENCE, read).await {
            Ok(Ok(Some(service))) => Known::There(service),
            Ok(Ok(None)) => Known::Absent,
            // It only explains, and need not be allowed.
            Ok(Err(_)) | Err(_) => Known::Nothing,
        };
    }
    let include = flags.include_not_ready;
    Report {
        target: target.clone(),
        state,
        absence: absence::absence(target, &union, include, &known),
        unlisted: absence::unlisted(target, &union, &known),
        endpoints: union.considered(include).cloned().collect(),
    }
}
