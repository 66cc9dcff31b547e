//! `health registry`: the registry in a terminal or a script.
//!
//! ```text
//! argv ──▶ options: which command, its flags ──▶ one or two requests ──▶ table, exit code
//! ```

use std::ffi::OsString;
use std::io::{self, Write};

use futures_util::StreamExt as _;
use tracing::level_filters::LevelFilter;

use self::request::{Action, Node, Request};
use super::command;
use super::console::Console;
use super::exit::{DONE, REFUSED, USAGE};
use super::output::Output;
use crate::cluster::Cluster;
use crate::registration::address::AdvertisedAddress;
use crate::registry::access;
use crate::registry::error::Error;
use crate::registry::rbac::Subject;
use crate::registry::reader::Registry;
use crate::registry::record::{self, Service};

mod flags;
pub mod options;
pub mod request;
pub mod table;

/// The reason why a command ended early.
#[derive(Debug)]
pub enum CommandError {
    /// The registry refused the request.
    Registry(Error),
    /// The output was closed by its reader.
    Output(io::Error),
}

/// Runs one command and returns the exit code.
pub fn run(
    argv: Vec<OsString>,
    variable: impl Fn(&str) -> Option<OsString>,
    console: &mut Console<'_>,
) -> u8 {
    let request = match options::read(argv, &variable) {
        Ok(request) => request,
        Err(refusal) => return console.refuse(&refusal, USAGE),
    };
    let cluster = Cluster::new(&request.cluster, &variable);
    command::run(
        LevelFilter::WARN,
        cluster,
        console,
        async |cluster, console| {
            let registry = Registry::new(cluster.client(), cluster.namespace(), request.schemes)
                .include_not_ready(request.include_not_ready);
            act(&request, &registry, console).await
        },
    )
}

/// Runs the request and returns the exit code.
///
/// # Errors
///
/// Fails if the output was closed by its reader.
pub async fn act(
    request: &Request,
    registry: &Registry,
    console: &mut Console<'_>,
) -> io::Result<u8> {
    match answer(request, registry, console.out, console.err).await {
        Ok(code) => Ok(code),
        Err(CommandError::Registry(error)) => {
            writeln!(console.err, "error: {error}")?;
            Ok(REFUSED)
        }
        Err(CommandError::Output(error)) => Err(error),
    }
}

async fn answer(
    request: &Request,
    registry: &Registry,
    out: &mut dyn Write,
    err: &mut dyn Write,
) -> Result<u8, CommandError> {
    match &request.action {
        Action::List => {
            let services = registry.list_services().await?;
            let text = match request.output {
                Output::Text => table::services(&services),
                Output::Json => table::json(&services),
            };
            write!(out, "{text}")?;
        }
        Action::Get(name) => {
            let services = registry.get_service(name).await?;
            let text = match request.output {
                Output::Text => table::nodes(&services),
                Output::Json => table::json(&services),
            };
            write!(out, "{text}")?;
        }
        Action::Watch(name) => watch(request, registry, name.as_deref(), out, err).await?,
        Action::Register { pod, node } => {
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
        Action::Deregister { pod, name, id } => {
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
        Action::Check { pod } => return check(registry, pod.as_deref(), out).await,
    }
    Ok(DONE)
}

/// Prints each event until a permanent error.
async fn watch(
    request: &Request,
    registry: &Registry,
    name: Option<&str>,
    out: &mut dyn Write,
    err: &mut dyn Write,
) -> Result<(), CommandError> {
    let mut events = std::pin::pin!(registry.watch(name));
    while let Some(event) = events.next().await {
        match event {
            Ok(event) => {
                let line = match request.output {
                    Output::Text => table::event(&event),
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

/// Returns the service that the flags describe. Reads the pod only if the flags leave out a
/// value.
async fn described(registry: &Registry, pod: &str, node: &Node) -> Result<Service, Error> {
    let advertised = AdvertisedAddress::new(None, &node.address).map_err(|_| Error::NoAddress)?;
    if let (Some(id), Some(address)) = (&node.id, advertised.with_pod_ip(None)) {
        return Ok(node.service(id, address));
    }
    let read = registry.pod(pod).await?;
    let uid = read.metadata.uid.as_deref().unwrap_or_default();
    let address = advertised.with_pod_ip(read.ips().first().copied());
    Ok(node.service(uid, address.ok_or(Error::NoAddress)?))
}

/// Prints the client's permissions, and the Role that is missing.
async fn check(
    registry: &Registry,
    pod: Option<&str>,
    out: &mut dyn Write,
) -> Result<u8, CommandError> {
    let (client, namespace) = (registry.client(), registry.namespace());
    let refused = |refusal| Error::of(refusal, namespace);
    let mut verbs = Vec::new();
    for verb in table::VERBS {
        let may = access::is_allowed(client, namespace, pod, verb.name).await;
        verbs.push((verb, may.map_err(refused)?));
    }
    // Servers before 1.28 do not return the subject; the Role is printed without it.
    let subject: Option<Subject> = access::subject(client).await.ok();
    let is_enough = verbs.iter().all(|(verb, may)| *may || !verb.is_needed);
    write!(out, "{}", table::verbs(namespace, subject.as_ref(), &verbs))?;
    Ok(if is_enough { DONE } else { REFUSED })
}

// === impl CommandError ===

impl From<Error> for CommandError {
    fn from(error: Error) -> Self {
        Self::Registry(error)
    }
}

impl From<io::Error> for CommandError {
    fn from(error: io::Error) -> Self {
        Self::Output(error)
    }
}
