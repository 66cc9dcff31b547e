//! The record: the JSON of go-micro's `registry.Service` in a pod's annotation.
//!
//! Three generations of go-micro write it, and one form is readable by all of them:
//!
//! | generation         | node                          | endpoint                          |
//! |--------------------|-------------------------------|-----------------------------------|
//! | A, up to v1.7      | id, address, **port**, metadata | name, request, response, metadata |
//! | B, v1.8 to v4.10.1 | id, address, metadata         | the same                          |
//! | C, v4.10.2 onwards | metadata, id, address         | request, response, metadata, name |
//!
//! We write B, and read all of them. The order of fields and nodes has no meaning: compare records
//! by [`Service::same_as`].

use std::collections::BTreeMap;

use serde::Serialize;

mod go_json;
pub(crate) mod parse;

/// A version of a service, with its nodes in one pod or in all pods.
#[derive(Clone, Debug, Default, Eq, PartialEq, Serialize)]
pub struct Service {
    /// The service's name as clients know it. Its form in keys may differ.
    pub name: String,
    /// The version, by which clients tell groups of nodes apart. The stock server writes "latest".
    pub version: String,
    /// The metadata of the service. The stock server omits it.
    pub metadata: Option<BTreeMap<String, String>>,
    /// The methods. No client needs them for a call.
    pub endpoints: Option<Vec<Endpoint>>,
    /// The nodes at which clients can reach the service.
    pub nodes: Option<Vec<Node>>,
}

/// An address at which clients can reach a service.
#[derive(Clone, Debug, Default, Eq, PartialEq, Serialize)]
pub struct Node {
    /// The id, which must be unique because the caches of clients use it as their key.
    pub id: String,
    /// `host:port`, or `[host]:port` for IPv6.
    pub address: String,
    /// The metadata by which clients choose a node: protocol, server, transport, broker, registry.
    pub metadata: Option<BTreeMap<String, String>>,
}

/// A method of a service.
#[derive(Clone, Debug, Default, Eq, PartialEq, Serialize)]
pub struct Endpoint {
    /// `Handler.Method`.
    pub name: String,
    /// The type of its argument.
    pub request: Option<Value>,
    /// The type of its result.
    pub response: Option<Value>,
    /// The metadata of the method, such as `stream` or `subscriber`.
    pub metadata: Option<BTreeMap<String, String>>,
}

/// A type, as far as go-micro describes it.
#[derive(Clone, Debug, Default, Eq, PartialEq, Serialize)]
pub struct Value {
    /// The field's name.
    pub name: String,
    /// The type's name in Go.
    pub r#type: String,
    /// The fields of the type.
    pub values: Option<Vec<Value>>,
}

// === impl Service ===

impl Service {
    /// A service without nodes, of the version that go-micro's stock server has: "latest".
    pub fn new(name: impl Into<String>) -> Self {
        Self {
            name: name.into(),
            version: "latest".to_owned(),
            metadata: None,
            endpoints: Some(Vec::new()),
            nodes: None,
        }
    }

    /// Sets the version.
    #[must_use]
    pub fn version(mut self, version: impl Into<String>) -> Self {
        self.version = version.into();
        self
    }

    /// Adds a node.
    #[must_use]
    pub fn node(mut self, node: Node) -> Self {
        self.nodes.get_or_insert_default().push(node);
        self
    }

    /// Returns the nodes; none where the record has no list of them.
    pub fn nodes(&self) -> &[Node] {
        self.nodes.as_deref().unwrap_or_default()
    }

    /// Returns the JSON that a Go writer of generation B writes, byte for byte.
    pub fn to_json(&self) -> String {
        go_json::to_string(self)
    }

    /// Returns whether two records mean the same to a client. An absent list or map equals an empty
    /// one, and the order of nodes does not count. Otherwise two writers that each put their own
    /// node last would never agree.
    pub fn same_as(&self, other: &Self) -> bool {
        self == other || self.clone().canonical() == other.clone().canonical()
    }

    fn canonical(mut self) -> Self {
        clear(&mut self.metadata);
        for endpoint in self.endpoints.iter_mut().flatten() {
            clear(&mut endpoint.metadata);
            for value in endpoint.request.iter_mut().chain(&mut endpoint.response) {
                value.clear_empties();
            }
        }
        for node in self.nodes.iter_mut().flatten() {
            clear(&mut node.metadata);
        }
        self.endpoints = self.endpoints.filter(|endpoints| !endpoints.is_empty());
        self.nodes = self.nodes.filter(|nodes| !nodes.is_empty());
        let nodes = self.nodes.as_deref_mut().unwrap_or_default();
        nodes.sort_by(|a, b| (&a.id, &a.address).cmp(&(&b.id, &b.address)));
        self
    }
}

// === impl Node ===

impl Node {
    /// A node without metadata. The address is `host:port`.
    pub fn new(id: impl Into<String>, address: impl Into<String>) -> Self {
        Self {
            id: id.into(),
            address: address.into(),
            metadata: None,
        }
    }

    /// Adds one entry of metadata, such as `protocol` and `grpc`.
    #[must_use]
    pub fn with(mut self, key: impl Into<String>, value: impl Into<String>) -> Self {
        let metadata = self.metadata.get_or_insert_default();
        metadata.insert(key.into(), value.into());
        self
    }
}

fn clear(metadata: &mut Option<BTreeMap<String, String>>) {
    if metadata.as_ref().is_some_and(BTreeMap::is_empty) {
        *metadata = None;
    }
}

// === impl Value ===

impl Value {
    fn clear_empties(&mut self) {
        if self.values.as_ref().is_some_and(Vec::is_empty) {
            self.values = None;
        }
        self.values
            .iter_mut()
            .flatten()
            .for_each(Self::clear_empties);
    }
}

#[cfg(test)]
mod tests;
