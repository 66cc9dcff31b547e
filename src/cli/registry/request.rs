//! A request to the registry, parsed from a command line.

use std::collections::BTreeMap;

use crate::check::server_address::ServerAddress;
use crate::cli::output::Output;
use crate::cluster;
use crate::registry::record::{self, Service};
use crate::registry::scheme::Schemes;

/// A parsed command line of `health registry`.
#[derive(Clone, Debug)]
pub struct Request {
    /// The action to run.
    pub action: Action,
    /// The schemes of the records to read and write.
    pub schemes: Schemes,
    /// Includes pods that are not Ready.
    pub include_not_ready: bool,
    /// The form of the answer.
    pub output: Output,
    /// The API server.
    pub cluster: cluster::options::Options,
}

/// The action to run.
#[derive(Clone, Debug)]
pub enum Action {
    /// Shows all services.
    List,
    /// Shows the nodes of one service.
    Get(String),
    /// Shows the changes of one service, or of all.
    Watch(Option<String>),
    /// Writes a node into a pod's annotation.
    Register {
        /// The pod.
        pod: String,
        /// The node.
        node: Node,
    },
    /// Removes nodes from a pod's annotation.
    Deregister {
        /// The pod.
        pod: String,
        /// The service.
        name: String,
        /// The node, or `None` for all nodes.
        id: Option<String>,
    },
    /// Checks the client's permissions.
    Check {
        /// The only pod to check, or `None` for all pods.
        pod: Option<String>,
    },
}

/// A node to register.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Node {
    /// The service's name.
    pub name: String,
    /// The service's version.
    pub version: String,
    /// The address that clients call; its host may be left to the pod's IP.
    pub address: ServerAddress,
    /// The end of the node's id, or `None` for the pod's uid.
    pub id: Option<String>,
    /// The metadata by which clients select nodes.
    pub metadata: BTreeMap<String, String>,
}

// === impl Node ===

impl Node {
    /// Returns the record for a pod with this uid and address.
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
