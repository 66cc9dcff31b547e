//! `health services`: the catalog in a terminal or a script.
//!
//! ```text
//! argv ──▶ options ──▶ the catalog, once, watched or served ──▶ table, exit code
//! ```

use std::ffi::OsString;
use std::io::{self, Write};

use futures_util::StreamExt as _;
use tokio::sync::watch;
use tracing::level_filters::LevelFilter;

use self::options::Request;
use super::command;
use super::console::Console;
use super::exit::{DONE, REFUSED, USAGE};
use super::output::Output;
use crate::catalog::{Catalog, Services, check, table};
use crate::cluster::{Cluster, Refusal};
use crate::net::address::Address;
use crate::net::listener;

pub(crate) mod options;
pub(crate) mod serve;

/// Runs the command and returns the exit code.
pub(crate) fn run(
    argv: Vec<OsString>,
    variable: impl Fn(&str) -> Option<OsString>,
    console: &mut Console<'_>,
) -> u8 {
    let request = match options::read(argv, &variable) {
        Ok(request) => request,
        Err(refusal) => return console.refuse(&refusal, USAGE),
    };
    let cluster = Cluster::with(&request.cluster, request.given.clone(), &variable);
    // The command prints its own message for each failure that kube's watcher logs as a warning.
    command::run(
        LevelFilter::ERROR,
        cluster,
        console,
        async |cluster, console| {
            let mut catalog = Catalog::new(cluster.client(), cluster.namespace());
            catalog = catalog.version_from(&request.version_from);
            if let Some(service) = &request.service {
                catalog = catalog.only(service);
            }
            act(&request, &cluster, &catalog, console.out, console.err).await
        },
    )
}

async fn act(
    request: &Request,
    cluster: &Cluster,
    catalog: &Catalog,
    out: &mut dyn Write,
    err: &mut dyn Write,
) -> io::Result<u8> {
    if request.given.token.is_some() && cluster.credentials().is_none() {
        writeln!(
            err,
            "warning: --k8s_token was not sent, because it is sent over https only"
        )?;
    }
    if let Some(address) = &request.serve {
        return serve(address, cluster, catalog, out, err).await;
    }
    if request.watch {
        return watch(request, cluster, catalog, out, err).await;
    }
    let services = match catalog.read().await {
        Ok(services) => services,
        Err(refusal) => {
            writeln!(err, "error: {}", failure_text(&refusal, cluster))?;
            return Ok(REFUSED);
        }
    };
    if let Some(name) = &request.service
        && services.up(name).is_none_or(|up| up.is_empty())
    {
        let namespace = cluster.namespace();
        writeln!(
            err,
            "error: no instance of {name} in the namespace {namespace}"
        )?;
        return Ok(REFUSED);
    }
    write!(out, "{}", formatted(request, &services))?;
    if !request.check {
        return Ok(DONE);
    }
    out.flush()?;
    let unhealthy = check::check(&services).await;
    for unhealthy in &unhealthy {
        writeln!(err, "unhealthy: {unhealthy}")?;
    }
    Ok(if unhealthy.is_empty() { DONE } else { REFUSED })
}

/// Prints the catalog after each change. Each failure is printed once, and the last table stays
/// valid.
async fn watch(
    request: &Request,
    cluster: &Cluster,
    catalog: &Catalog,
    out: &mut dyn Write,
    err: &mut dyn Write,
) -> io::Result<u8> {
    let mut last = None;
    let mut failure = LastFailure::default();
    let mut watched = std::pin::pin!(catalog.watch());
    while let Some(services) = watched.next().await {
        match services {
            Ok(services) => {
                failure.0 = None;
                let text = formatted(request, &services);
                if last.as_ref() != Some(&text) {
                    write!(out, "{text}")?;
                    out.flush()?;
                    last = Some(text);
                }
            }
            Err(refusal) => {
                if last.is_none() && refusal.is_denied() {
                    writeln!(err, "error: {}", failure_text(&refusal, cluster))?;
                    return Ok(REFUSED);
                }
                failure.warn(&refusal, cluster, err)?;
            }
        }
    }
    Ok(DONE)
}

/// Serves the catalog from its first answer on. Each failure is printed once, and the last known
/// catalog is still served.
async fn serve(
    address: &Address,
    cluster: &Cluster,
    catalog: &Catalog,
    out: &mut dyn Write,
    err: &mut dyn Write,
) -> io::Result<u8> {
    let listener = match listener::listen(address).await {
        Ok(listener) => listener,
        Err(error) => {
            writeln!(err, "error: cannot listen on {address}: {error}")?;
            return Ok(REFUSED);
        }
    };
    let mut failure = LastFailure::default();
    let mut watched = std::pin::pin!(catalog.watch());
    let first = loop {
        match watched.next().await {
            Some(Ok(services)) => break services,
            Some(Err(refusal)) if refusal.is_denied() => {
                writeln!(err, "error: {}", failure_text(&refusal, cluster))?;
                return Ok(REFUSED);
            }
            Some(Err(refusal)) => failure.warn(&refusal, cluster, err)?,
            None => return Ok(REFUSED),
        }
    };
    writeln!(out, "serving http://{}/api/v1", listener.local_addr()?)?;
    out.flush()?;
    let (tell, services) = watch::channel(first);
    let keep = async {
        while let Some(services) = watched.next().await {
            match services {
                Ok(services) => {
                    failure.0 = None;
                    tell.send_replace(services);
                }
                Err(refusal) => failure.warn(&refusal, cluster, err)?,
            }
        }
        Ok(DONE)
    };
    tokio::select! {
        never = serve::serve(listener, services) => match never {},
        kept = keep => kept,
    }
}

/// The last failure, kept so that it is printed only once.
#[derive(Debug, Default)]
struct LastFailure(Option<String>);

// === impl LastFailure ===

impl LastFailure {
    fn warn(
        &mut self,
        refusal: &Refusal,
        cluster: &Cluster,
        err: &mut dyn Write,
    ) -> io::Result<()> {
        let text = failure_text(refusal, cluster);
        if self.0.as_ref() != Some(&text) {
            writeln!(err, "warning: {text}; the last output may be out of date")?;
            self.0 = Some(text);
        }
        Ok(())
    }
}

fn formatted(request: &Request, services: &Services) -> String {
    match (request.output, &request.service) {
        (Output::Text, _) => table::table(services.all_up()),
        (Output::Json, None) => table::instances(services) + "\n",
        (Output::Json, Some(name)) => {
            table::service(name, &services.up(name).unwrap_or_default()) + "\n"
        }
    }
}

fn failure_text(refusal: &Refusal, cluster: &Cluster) -> String {
    let namespace = cluster.namespace();
    let remedy = if refusal.is_denied() {
        "; a Role needs the verbs list and watch for endpointslices.discovery.k8s.io and pods"
    } else {
        ""
    };
    format!("cannot read the catalog of the namespace {namespace}: {refusal}{remedy}")
}
