//! `health registry`: the registry from a terminal or a script.
//!
//! ```text
//! argv ──▶ options: which command, its flags ──▶ one or two requests ──▶ table, exit code
//! ```

use std::ffi::OsString;
use std::future::Future;
use std::io::{self, Write};

use futures_util::StreamExt as _;
use tracing::level_filters::LevelFilter;

use self::options::{Asked, Command, Node, Output};
use super::access;
use super::address::Told;
use super::error::Error;
use super::rbac::Subject;
use super::reader::Registry;
use super::record::{self, Service};
use crate::cluster::Cluster;
use crate::cluster::command::{self as cluster, DONE, REFUSED, USAGE};

mod flags;
pub mod options;
pub mod table;

/// How a command ended early.
#[derive(Debug)]
pub enum Failed {
    /// The registry said no.
    Registry(Error),
    /// Nobody reads what we write any more.
    Output(io::Error),
}

/// Runs one command and returns the exit code.
pub fn run(
    argv: Vec<OsString>,
    variable: impl Fn(&str) -> Option<OsString>,
    out: &mut dyn Write,
    err: &mut dyn Write,
) -> u8 {
    let asked = match options::read(argv, &variable) {
        Ok(asked) => asked,
        Err(refusal) => return cluster::refuse(&refusal, out, err),
    };
    let code = cluster::block_on(LevelFilter::WARN, async {
        let cluster = match Cluster::new(&asked.cluster, &variable).await {
            Ok(cluster) => cluster,
            Err(unusable) => {
                let _ = writeln!(err, "error: {unusable}");
                return USAGE;
            }
        };
        let registry = Registry::new(cluster.client(), cluster.namespace(), asked.schemes)
            .include_not_ready(asked.include_not_ready);
        act(&asked, &registry, cluster::until_stopped(), out, err).await
    });
    code.unwrap_or_else(|error| {
        let _ = writeln!(err, "error: cannot start: {error}");
        REFUSED
    })
}

/// Does what was asked until it is done, or `stop` is, and returns the exit code.
pub async fn act(
    asked: &Asked,
    registry: &Registry,
    stop: impl Future<Output = ()>,
    out: &mut dyn Write,
    err: &mut dyn Write,
) -> u8 {
    let outcome = tokio::select! {
        biased;
        () = stop => return DONE,
        outcome = command(asked, registry, out, err) => outcome,
    };
    match outcome {
        Ok(code) => code,
        Err(Failed::Registry(error)) => {
            let _ = writeln!(err, "error: {error}");
            REFUSED
        }
        // Whoever read us has had enough.
        Err(Failed::Output(_)) => DONE,
    }
}

async fn command(
    asked: &Asked,
    registry: &Registry,
    out: &mut dyn Write,
    err: &mut dyn Write,
) -> Result<u8, Failed> {
    match &asked.command {
        Command::List => {
            let services = registry.list_services().await?;
            let text = match asked.output {
                Output::Table => table::services(&services),
                Output::Json => table::json(&services),
            };
            write!(out, "{text}")?;
        }
        Command::Get(name) => {
            let services = registry.get_service(name).await?;
            let text = match asked.output {
                Output::Table => table::nodes(&services),
                Output::Json => table::json(&services),
            };
            write!(out, "{text}")?;
        }
        Command::Watch(name) => watch(asked, registry, name.as_deref(), out, err).await?,
        Command::Register { pod, node } => {
            let service = described(registry, pod, node).await?;
            let is_new = registry.register(pod, &service).await?;
            let done = if is_new {
                "registered"
            } else {
                "already registered"
            };
            let at = service.nodes.iter().flatten().map(|node| &node.address);
            let at: Vec<_> = at.map(String::as_str).collect();
            writeln!(
                out,
                "{done}: {} at {} in pod {pod}",
                service.name,
                at.join(" ")
            )?;
        }
        Command::Deregister { pod, name, id } => {
            let nodes = id.as_ref().map(|id| {
                vec![record::Node {
                    id: format!("{name}-{id}"),
                    ..record::Node::default()
                }]
            });
            let service = Service {
                name: name.clone(),
                nodes,
                ..Service::default()
            };
            if !registry.deregister(pod, &service).await? {
                writeln!(err, "error: {name} is not registered in pod {pod}")?;
                return Ok(REFUSED);
            }
            writeln!(out, "deregistered: {name} in pod {pod}")?;
        }
        Command::Check { pod } => return check(registry, pod.as_deref(), out).await,
    }
    Ok(DONE)
}

/// Prints what happens, until something happens that will not pass.
async fn watch(
    asked: &Asked,
    registry: &Registry,
    name: Option<&str>,
    out: &mut dyn Write,
    err: &mut dyn Write,
) -> Result<(), Failed> {
    let mut events = std::pin::pin!(registry.watch(name));
    while let Some(event) = events.next().await {
        match event {
            Ok(event) => {
                let line = match asked.output {
                    Output::Table => table::event(&event),
                    Output::Json => table::event_json(&event),
                };
                writeln!(out, "{line}")?;
                out.flush()?;
            }
            Err(error) if error.is_passing() => writeln!(err, "warning: {error}; trying again")?,
            Err(error) => return Err(error.into()),
        }
    }
    Ok(())
}

/// The service that the flags describe, with what only the pod can tell.
async fn described(registry: &Registry, pod: &str, node: &Node) -> Result<Service, Error> {
    let there = registry.pod(pod).await?;
    let uid = there.metadata.uid.as_deref().unwrap_or_default();
    let told = Told::new(None, &node.address).map_err(|_| Error::NoAddress)?;
    let address = told.with(there.ips().first().copied());
    Ok(node.service(uid, address.ok_or(Error::NoAddress)?))
}

/// Asks what we may do, and prints the role that is missing.
async fn check(registry: &Registry, pod: Option<&str>, out: &mut dyn Write) -> Result<u8, Failed> {
    let (client, namespace) = (registry.client(), registry.namespace());
    let refused = |refusal| Error::of(refusal, namespace);
    let mut verbs = Vec::new();
    for verb in table::VERBS {
        let may = access::may(client, namespace, pod, verb.name).await;
        verbs.push((verb, may.map_err(refused)?));
    }
    // Servers before 1.28 do not tell, and the role is as good without.
    let subject: Option<Subject> = access::who(client).await.ok();
    let is_enough = verbs.iter().all(|(verb, may)| *may || !verb.is_needed);
    write!(out, "{}", table::verbs(namespace, subject.as_ref(), &verbs))?;
    Ok(if is_enough { DONE } else { REFUSED })
}

// === impl Failed ===

impl From<Error> for Failed {
    fn from(error: Error) -> Self {
        Self::Registry(error)
    }
}

impl From<io::Error> for Failed {
    fn from(error: io::Error) -> Self {
        Self::Output(error)
    }
}
