//! The part of a Service that explains why a target has no endpoint.

use http::Request;
use serde::Deserialize;

use crate::cluster::{Refusal, names, request};

/// A Service; all other fields are skipped as it is read.
#[derive(Clone, Debug, Default, Deserialize, Eq, PartialEq)]
pub(crate) struct Service {
    /// The specification of the Service.
    #[serde(default)]
    pub spec: Spec,
}

/// The specification of a Service.
#[derive(Clone, Debug, Default, Deserialize, Eq, PartialEq)]
#[serde(rename_all = "camelCase", default)]
pub(crate) struct Spec {
    /// The name that an `ExternalName` Service stands for.
    pub external_name: Option<String>,
    /// The ports of the Service itself.
    pub ports: Option<Vec<Port>>,
}

/// A port of a Service.
#[derive(Clone, Debug, Default, Deserialize, Eq, PartialEq)]
#[serde(default)]
pub(crate) struct Port {
    /// The name of the port, which its endpoints use too.
    pub name: Option<String>,
    /// The number on which the Service itself listens, which is not that of its endpoints.
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
    let (namespace, name) = (names::encoded(namespace), names::encoded(name));
    let request = Request::get(format!("/api/v1/namespaces/{namespace}/services/{name}"));
    let request = request
        .body(Vec::new())
        .expect("an encoded path must make a request");
    match request::send(client, request).await {
        Err(Refusal::NotFound(_)) => Ok(None),
        read => read.map(Some),
    }
}

// === impl Service ===

impl Service {
    /// Returns the port of this number.
    pub(crate) fn port(&self, number: u16) -> Option<&Port> {
        let mut ports = self.spec.ports.iter().flatten();
        ports.find(|port| port.port == number)
    }
}
