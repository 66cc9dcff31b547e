//! The command lines of `health registry`: which command, and what it is to do.

use std::collections::BTreeMap;
use std::ffi::OsString;

use clap::error::Error;

use super::flags;
use crate::args::{Read, Reading};
use crate::cluster;
use crate::registry::record::{self, Service};
use crate::registry::scheme::Schemes;
use crate::target::endpoint::Endpoint;

/// One command line, read.
#[derive(Clone, Debug)]
pub struct Asked {
    /// What to do.
    pub command: Command,
    /// Which generations' clients and servers to be with.
    pub schemes: Schemes,
    /// Whether to show pods that are not Ready.
    pub include_not_ready: bool,
    /// The form of the answer.
    pub output: Output,
    /// Which API server.
    pub cluster: cluster::options::Options,
}

/// What to do.
#[derive(Clone, Debug)]
pub enum Command {
    /// Show all services.
    List,
    /// Show the nodes of one.
    Get(String),
    /// Show what happens to one, or to all.
    Watch(Option<String>),
    /// Put a node into a pod's annotation.
    Register {
        /// The pod.
        pod: String,
        /// The node.
        node: Node,
    },
    /// Take it away.
    Deregister {
        /// The pod.
        pod: String,
        /// The service.
        name: String,
        /// The node, if not all of them.
        id: Option<String>,
    },
    /// Ask what we may do.
    Check {
        /// To this pod alone.
        pod: Option<String>,
    },
}

/// The form of the answer.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq, clap::ValueEnum)]
pub enum Output {
    /// For people.
    #[default]
    Table,
    /// For machines.
    Json,
}

/// A node to register.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Node {
    /// The service's name.
    pub name: String,
    /// Its version.
    pub version: String,
    /// Where it is called; its host may be the pod's to tell.
    pub address: Endpoint,
    /// What is behind the name in the id; the pod's uid if it is none.
    pub id: Option<String>,
    /// What clients choose by.
    pub metadata: BTreeMap<String, String>,
}

const MORE: &str = "\
Each has --help. All take --registry_address, such as http://127.0.0.1:8001 for kubectl
proxy, and --registry_namespace; in a pod neither is needed.
Exit codes: 0 done, 1 refused or not found, 2 usage.";

/// Reads a command line whose first word, after the tool's name, is the command.
///
/// # Errors
///
/// clap's, which also carry `--help` and `--version`.
pub fn read(
    mut argv: Vec<OsString>,
    variable: impl Fn(&str) -> Option<OsString>,
) -> Result<Asked, Error> {
    if argv.get(1).is_some_and(|word| word == "help") && argv.len() > 2 {
        argv.remove(1);
        argv.truncate(2);
        argv.push("--help".into());
    }
    let words = argv.iter().take(2);
    let matches = overview().try_get_matches_from(words)?;
    if argv.len() > 1 {
        argv.remove(1);
    }
    match matches.subcommand_name() {
        Some("get") => read_as::<flags::Get>("health registry get greeter", argv, variable),
        Some("watch") => read_as::<flags::Watch>("health registry watch greeter", argv, variable),
        Some("register") => read_as::<flags::Register>(
            "health registry register --pod_name=greeter-0 --server_name=greeter --server_address=:9091",
            argv,
            variable,
        ),
        Some("deregister") => read_as::<flags::Deregister>(
            "health registry deregister --pod_name=greeter-0 --server_name=greeter",
            argv,
            variable,
        ),
        Some("check") => read_as::<flags::Check>("health registry check", argv, variable),
        _ => read_as::<flags::List>("health registry list", argv, variable),
    }
}

/// The commands by name: each reads its own flags, in go-micro's spelling.
fn overview() -> clap::Command {
    let command = |name: &'static str, about: &'static str| {
        clap::Command::new(name)
            .about(about)
            .disable_help_flag(true)
    };
    clap::Command::new("health registry")
        .bin_name("health registry")
        .version(crate::VERSION)
        .about("Reads and writes go-micro's registry in the labels and annotations of pods")
        .subcommand_required(true)
        .subcommand(command("list", "Shows every service"))
        .subcommand(command("get", "Shows the nodes of one service"))
        .subcommand(command(
            "watch",
            "Shows what happens to one service or to all",
        ))
        .subcommand(command("register", "Registers a service in a pod"))
        .subcommand(command("deregister", "Takes a service away from a pod"))
        .subcommand(command(
            "check",
            "Shows what we may do, and the Role that is missing",
        ))
        .after_help(MORE)
}

fn read_as<A: clap::Parser + Into<Asked>>(
    example: &'static str,
    argv: Vec<OsString>,
    variable: impl Fn(&str) -> Option<OsString>,
) -> Result<Asked, Error> {
    let reading = Reading {
        is_go_micro: true,
        example,
    };
    let read: Read<A> = reading.read(argv, variable)?;
    Ok(read.args.into())
}

// === impl Node ===

impl Node {
    /// The record, for a pod of this uid and at this address.
    pub fn service(&self, uid: &str, address: String) -> Service {
        let id = self.id.as_deref().unwrap_or(uid);
        let node = record::Node {
            id: format!("{}-{id}", self.name),
            address,
            metadata: Some(self.metadata.clone()),
        };
        Service {
            name: self.name.clone(),
            version: self.version.clone(),
            metadata: None,
            endpoints: Some(Vec::new()),
            nodes: Some(vec![node]),
        }
    }
}

#[cfg(test)]
mod tests;
