//! As much of a Service as explains why a target has no endpoint.

use http::Request;
use serde::Deserialize;

use crate::cluster::{Refusal, request};

/// A Service; all other fields are skipped as it is read.
#[derive(Clone, Debug, Default, Deserialize, Eq, PartialEq)]
pub(crate) struct Service {
    /// What it should be.
    #[serde(default)]
    pub spec: Spec,
}

/// What a Service should be.
#[derive(Clone, Debug, Default, Deserialize, Eq, PartialEq)]
#[serde(rename_all = "camelCase", default)]
pub(crate) struct Spec {
    /// The name that an `ExternalName` Service stands for.
    pub external_name: Option<String>,
    /// Its own ports.
    pub ports: Option<Vec<Port>>,
}

/// A port of a Service.
#[derive(Clone, Debug, Default, Deserialize, Eq, PartialEq)]
#[serde(default)]
pub(crate) struct Port {
    /// What the port of its endpoints is called too.
    pub name: Option<String>,
    /// Where the Service itself listens: not its endpoints.
    pub port: u16,
}

/// Reads a Service; `None` if there is none of this name.
///
/// # Errors
///
/// The server's, above all that it may not be read.
pub(crate) async fn read(
    client: &kube::Client,
    namespace: &str,
    name: &str,
) -> Result<Option<Service>, Refusal> {
    let request = Request::get(format!("/api/v1/namespaces/{namespace}/services/{name}"));
    let request = request
        .body(Vec::new())
        .expect("a path of labels must make a request");
    match request::send(client, request).await {
        Err(Refusal::NotFound(_)) => Ok(None),
        read => read.map(Some),
    }
}

// === impl Service ===

impl Service {
    /// Its port of this number.
    pub(crate) fn port(&self, number: u16) -> Option<&Port> {
        let mut ports = self.spec.ports.iter().flatten();
        ports.find(|port| port.port == number)
    }
}
