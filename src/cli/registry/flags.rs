//! The flags of each command of `health registry`.

use super::request::{Action, Node, Request};
use crate::check::options::ServerName;
use crate::check::server_address::ServerAddress;
use crate::cli::output::Output;
use crate::cluster;
use crate::cluster::names::pod_name;
use crate::registration::options::{one_line, pair};
use crate::registry::scheme::Schemes;

/// Shows all services
#[derive(Clone, Debug, clap::Parser)]
#[command(name = "health registry list", bin_name = "health registry list", version = crate::VERSION, after_help = CODES, args_override_self = true)]
pub(super) struct List {
    #[command(flatten)]
    look: Look,
    #[command(flatten)]
    common: Common,
}

/// Shows the nodes of one service
#[derive(Clone, Debug, clap::Parser)]
#[command(name = "health registry get", bin_name = "health registry get", version = crate::VERSION, after_help = CODES, args_override_self = true)]
pub(super) struct Get {
    /// The name of the service
    #[arg(value_name = "NAME")]
    name: ServerName,
    #[command(flatten)]
    look: Look,
    #[command(flatten)]
    common: Common,
}

/// Shows all nodes of one service or of all services, then each change
#[derive(Clone, Debug, clap::Parser)]
#[command(name = "health registry watch", bin_name = "health registry watch", version = crate::VERSION, after_help = CODES, args_override_self = true)]
pub(super) struct Watch {
    /// The name of the service [default: all services]
    #[arg(value_name = "NAME")]
    name: Option<ServerName>,
    #[command(flatten)]
    look: Look,
    #[command(flatten)]
    common: Common,
}

/// Registers a service in a pod and leaves the pod's other services as they are
#[derive(Clone, Debug, clap::Parser)]
#[command(name = "health registry register", bin_name = "health registry register", version = crate::VERSION, after_help = CODES, args_override_self = true)]
pub(super) struct Register {
    /// The name of the pod
    #[arg(long = "pod_name", value_name = "NAME", value_parser = pod_name)]
    pod_name: String,

    /// The name of the service
    #[arg(long = "server_name", value_name = "NAME")]
    server_name: ServerName,

    /// The address that clients call. Without a host, or with a loopback or wildcard host, it
    /// gets the pod's own IP
    #[arg(long = "server_address", value_name = "HOST:PORT")]
    server_address: ServerAddress,

    /// The version of the service
    #[arg(
        long = "server_version",
        value_name = "VERSION",
        default_value = "latest",
        value_parser = one_line
    )]
    server_version: String,

    /// The node's id, which follows the service's name and a dash [default: the pod's uid]
    #[arg(long = "server_id", value_name = "ID", value_parser = one_line)]
    server_id: Option<String>,

    /// Metadata of the node, such as protocol=grpc; repeat the flag for more
    #[arg(long = "server_metadata", value_name = "KEY=VALUE", value_parser = pair, action = clap::ArgAction::Append)]
    server_metadata: Vec<(String, String)>,

    #[command(flatten)]
    common: Common,
}

/// Removes a service from a pod, even one that another program registered
#[derive(Clone, Debug, clap::Parser)]
#[command(name = "health registry deregister", bin_name = "health registry deregister", version = crate::VERSION, after_help = CODES, args_override_self = true)]
pub(super) struct Deregister {
    /// The name of the pod
    #[arg(long = "pod_name", value_name = "NAME", value_parser = pod_name)]
    pod_name: String,

    /// The name of the service
    #[arg(long = "server_name", value_name = "NAME")]
    server_name: ServerName,

    /// The node's id, which follows the service's name and a dash [default: every node]
    #[arg(long = "server_id", value_name = "ID", value_parser = one_line)]
    server_id: Option<String>,

    #[command(flatten)]
    common: Common,
}

/// Shows the client's permissions in the API server, and the Role that is missing
#[derive(Clone, Debug, clap::Parser)]
#[command(name = "health registry check", bin_name = "health registry check", version = crate::VERSION, after_help = CODES, args_override_self = true)]
pub(super) struct Check {
    /// Check the permissions on one pod only, for Roles with resourceNames [default: all pods]
    #[arg(long = "pod_name", value_name = "NAME", value_parser = pod_name)]
    pod_name: Option<String>,

    #[command(flatten)]
    common: Common,
}

/// The options of the answer.
#[derive(Clone, Copy, Debug, Default, clap::Args)]
#[group(skip)]
#[command(next_help_heading = "The answer")]
struct Look {
    /// The form of the answer: a table, or the JSON of go-micro's own records
    #[arg(
        short = 'o',
        long = "output",
        value_name = "FORMAT",
        default_value = "text"
    )]
    output: Output,

    /// Include pods that are not Ready
    #[arg(long = "include_not_ready")]
    include_not_ready: bool,
}

/// The flags of every command.
#[derive(Clone, Debug, clap::Args)]
#[group(skip)]
#[command(next_help_heading = "The registry")]
struct Common {
    /// The scheme of the records: micro.mu (go-plugins, go-micro v3 to v5), go.micro (go-micro
    /// v2.0 to v2.4), both
    #[arg(
        long = "register_scheme",
        value_name = "SCHEME",
        default_value = "micro.mu"
    )]
    register_scheme: Schemes,

    #[command(flatten)]
    cluster: cluster::options::Options,
}

const CODES: &str = "\
Flags are also read as -pod_name and --pod-name, and from the variable in brackets; a
flag wins over its variable. Exit codes: 0 done, 1 refused or not found, 2 usage.";

// === impl Request ===

impl Request {
    fn new(action: Action, look: Look, common: Common) -> Self {
        Self {
            action,
            schemes: common.register_scheme,
            include_not_ready: look.include_not_ready,
            output: look.output,
            cluster: common.cluster,
        }
    }
}

impl From<List> for Request {
    fn from(List { look, common }: List) -> Self {
        Self::new(Action::List, look, common)
    }
}

impl From<Get> for Request {
    fn from(Get { name, look, common }: Get) -> Self {
        Self::new(Action::Get(name.0), look, common)
    }
}

impl From<Watch> for Request {
    fn from(Watch { name, look, common }: Watch) -> Self {
        Self::new(Action::Watch(name.map(|name| name.0)), look, common)
    }
}

impl From<Register> for Request {
    fn from(args: Register) -> Self {
        let node = Node {
            name: args.server_name.0,
            version: args.server_version,
            address: args.server_address,
            id: args.server_id,
            metadata: args.server_metadata.into_iter().collect(),
        };
        let pod = args.pod_name;
        let action = Action::Register { pod, node };
        Self::new(action, Look::default(), args.common)
    }
}

impl From<Deregister> for Request {
    fn from(args: Deregister) -> Self {
        let action = Action::Deregister {
            pod: args.pod_name,
            name: args.server_name.0,
            id: args.server_id,
        };
        Self::new(action, Look::default(), args.common)
    }
}

impl From<Check> for Request {
    fn from(Check { pod_name, common }: Check) -> Self {
        let action = Action::Check { pod: pod_name };
        Self::new(action, Look::default(), common)
    }
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory as _;

    use super::*;

    #[test]
    fn the_flags_of_every_command_are_consistent() {
        List::command().debug_assert();
        Get::command().debug_assert();
        Watch::command().debug_assert();
        Register::command().debug_assert();
        Deregister::command().debug_assert();
        Check::command().debug_assert();
    }
}
