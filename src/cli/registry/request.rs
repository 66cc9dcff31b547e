//! One request to the registry, as a command line makes it.

use std::collections::BTreeMap;

use crate::check::server_address::ServerAddress;
use crate::cli::output::Output;
use crate::cluster;
use crate::registry::record::{self, Service};
use crate::registry::scheme::Schemes;

/// One command line of `health registry`.
#[derive(Clone, Debug)]
pub struct Request {
    /// What to do.
    pub action: Action,
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
pub enum Action {
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

/// A node to register.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Node {
    /// The service's name.
    pub name: String,
    /// Its version.
    pub version: String,
    /// Where it is called; its host may be the pod's to tell.
    pub address: ServerAddress,
    /// What is behind the name in the id; the pod's uid if it is none.
    pub id: Option<String>,
    /// What clients choose by.
    pub metadata: BTreeMap<String, String>,
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
