//! `health resolve`: the endpoints of a target, once or for as long as anybody reads.
//!
//! ```text
//! argv ──▶ options ──▶ one list ──▶ words: addresses, or why there is none ──▶ exit code
//!                      └─▶ --watch: and every change
//! ```

use std::ffi::OsString;
use std::future::Future;
use std::io::{self, Write};
use std::time::Duration;

use tokio::time;
use tracing::level_filters::LevelFilter;

use self::options::Asked;
use self::words::Report;
use super::absence::{self, Known};
use super::{Endpoints, Resolver, service};
use crate::args::{Notice, Read};
use crate::cluster::command::{self, DONE, REFUSED, USAGE};
use crate::cluster::{Cluster, Refusal};

pub mod options;
pub mod words;

/// Bounds the first answer, whichever client asks; ours gives up after 30 s at most.
const PATIENCE: Duration = Duration::from_secs(35);

/// Runs the command and returns the exit code.
pub fn run(
    argv: Vec<OsString>,
    variable: impl Fn(&str) -> Option<OsString>,
    out: &mut dyn Write,
    err: &mut dyn Write,
) -> u8 {
    let Read { args, notices } = match options::RESOLVE.read::<Asked>(argv, &variable) {
        Ok(read) => read,
        Err(refusal) => return command::refuse(&refusal, out, err),
    };
    for notice in &notices {
        if let Notice::BadVariable { .. } = notice {
            let _ = writeln!(err, "warning: {notice}");
        }
    }
    let code = command::block_on(LevelFilter::OFF, async {
        match Cluster::new(&args.cluster, &variable).await {
            Ok(cluster) => {
                act(
                    &args,
                    &Resolver::of(&cluster),
                    command::until_stopped(),
                    out,
                    err,
                )
                .await
            }
            Err(unusable) => {
                let _ = writeln!(err, "error: {unusable}");
                USAGE
            }
        }
    });
    code.unwrap_or_else(|error| {
        let _ = writeln!(err, "error: cannot start: {error}");
        REFUSED
    })
}

/// Resolves until it is done, or `stop` is, and returns the exit code.
pub async fn act(
    asked: &Asked,
    resolver: &Resolver,
    stop: impl Future<Output = ()>,
    out: &mut dyn Write,
    err: &mut dyn Write,
) -> u8 {
    let mut endpoints = resolver.endpoints(asked.target.clone());
    let acted = async {
        if let Err(refusal) = first(&endpoints).await
            && (refusal.is_denied() || !asked.watch)
        {
            let namespace = endpoints.target().namespace.as_deref();
            let told = words::refused(&refusal, namespace.unwrap_or_default());
            writeln!(err, "error: {told}")?;
            return Ok::<_, io::Error>(REFUSED);
        }
        if asked.watch {
            follow(asked, resolver, &mut endpoints, out, err).await
        } else {
            once(asked, resolver, &endpoints, out, err).await
        }
    };
    tokio::select! {
        biased;
        () = stop => DONE,
        // An error is that of whoever reads us, and has had enough.
        acted = acted => acted.unwrap_or(DONE),
    }
}

async fn first(endpoints: &Endpoints) -> Result<(), Refusal> {
    let known = time::timeout(PATIENCE, endpoints.known()).await;
    let late = |_| Refusal::Unreachable(format!("no answer within {PATIENCE:?}").into());
    known.map_err(late)?.map(drop)
}

/// What there is, or why there is nothing.
async fn once(
    asked: &Asked,
    resolver: &Resolver,
    endpoints: &Endpoints,
    out: &mut dyn Write,
    err: &mut dyn Write,
) -> io::Result<u8> {
    let report = report(asked, resolver, endpoints).await;
    write!(out, "{}", report.whole(asked.output))?;
    say(&report, err)
}

/// What there is, and every change of it. Never ends by itself.
async fn follow(
    asked: &Asked,
    resolver: &Resolver,
    endpoints: &mut Endpoints,
    out: &mut dyn Write,
    err: &mut dyn Write,
) -> io::Result<u8> {
    let mut before: Option<Report> = None;
    loop {
        endpoints.changed().await;
        let report = report(asked, resolver, endpoints).await;
        write!(out, "{}", report.since(before.as_ref(), asked.output))?;
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

async fn report(asked: &Asked, resolver: &Resolver, endpoints: &Endpoints) -> Report {
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
    let include = asked.include_not_ready;
    Report {
        target: target.clone(),
        state,
        absence: absence::absence(target, &union, include, &known),
        unlisted: absence::unlisted(target, &union, &known),
        endpoints: union.considered(include).cloned().collect(),
    }
}
