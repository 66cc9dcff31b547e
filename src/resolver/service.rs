//! The part of a Service that explains why a target has no endpoint.

use serde::Deserialize;

use crate::cluster::{Refusal, names, request};
use crate::resolver::target;

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
#[expect(clippy::struct_field_names, reason = "the names of the API")]
#[derive(Clone, Debug, Default, Deserialize, Eq, PartialEq)]
#[serde(rename_all = "camelCase", default)]
pub(crate) struct Port {
    /// The name of the port, which its endpoints use too.
    pub name: Option<String>,
    /// The number on which the Service itself listens, which is not that of its endpoints.
    pub port: u16,
    /// The port of the endpoints. Missing means the same number.
    pub target_port: Option<TargetPort>,
}

/// The port of a pod.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq)]
#[serde(untagged)]
pub(crate) enum TargetPort {
    /// The number of the port.
    Number(u16),
    /// The name that a container of the pod gives to the port.
    Name(String),
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
    let path = format!("/api/v1/namespaces/{namespace}/services/{name}");
    match request::send(client, request::get(&path)).await {
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

    /// Returns the port that a target means, and the name of its port in the pods. Returns `None`
    /// if that port has a number.
    pub(crate) fn named_target(&self, port: &target::Port) -> Option<(String, &str)> {
        let mut ports = self.spec.ports.iter().flatten();
        let found = match port {
            target::Port::First => ports.next(),
            target::Port::Number(_) => None,
            target::Port::Name(name) => ports.find(|port| port.name.as_ref() == Some(name)),
        };
        let Port {
            name,
            port,
            target_port,
        } = found?;
        let name = name.clone().filter(|name| !name.is_empty());
        match target_port {
            Some(TargetPort::Name(target)) => {
                Some((name.unwrap_or_else(|| port.to_string()), target))
            }
            Some(TargetPort::Number(_)) | None => None,
        }
    }
}
