//! The services in a Go client's output.

use std::str::FromStr;

use serde::Deserialize;

/// A line of a client's stdout.
#[derive(Debug, Deserialize)]
pub(super) struct Line {
    #[serde(default)]
    pub(super) action: String,
    services: Option<Vec<Option<Service>>>,
    pub(super) error: String,
}

/// A service as every release understands it.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq)]
pub struct Service {
    /// The name.
    pub name: String,
    /// The version.
    pub version: String,
    nodes: Option<Vec<Node>>,
}

/// A node of a service.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq)]
pub struct Node {
    /// The id.
    pub id: String,
    /// The address, with the port except from the oldest release.
    pub address: String,
    /// The port, which only the oldest release has in a field of its own.
    #[serde(default)]
    pub port: u16,
}

// === impl Line ===

impl Line {
    pub(super) fn services(self) -> impl Iterator<Item = Service> {
        self.services.into_iter().flatten().flatten()
    }
}

impl FromStr for Line {
    type Err = serde_json::Error;

    fn from_str(line: &str) -> Result<Self, Self::Err> {
        serde_json::from_str(line)
    }
}

// === impl Service ===

impl Service {
    /// Returns the nodes.
    pub fn nodes(&self) -> &[Node] {
        self.nodes.as_deref().unwrap_or_default()
    }
}
