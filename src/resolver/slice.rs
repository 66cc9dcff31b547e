//! The part of an `EndpointSlice` that a resolver needs.
//!
//! Source: discovery.k8s.io/v1. A Service has one slice or many: at most 100 endpoints
//! each, one family, one set of ports.

use std::borrow::Cow;
use std::net::IpAddr;
use std::sync::Arc;

use k8s_openapi::NamespaceResourceScope;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta;
use serde::{Deserialize, Deserializer};

/// The label that names a slice's Service.
pub(crate) const SERVICE_NAME: &str = "kubernetes.io/service-name";

/// A part of the endpoints of a Service. Every other field is skipped as it is read.
#[derive(Clone, Debug, Default, Deserialize, PartialEq)]
#[serde(rename_all = "camelCase")]
pub(crate) struct EndpointSlice {
    /// The name and the version of the slice.
    #[serde(default, deserialize_with = "without_the_rest")]
    pub metadata: ObjectMeta,
    /// IPv4, IPv6, or FQDN, which nothing resolves.
    #[serde(default)]
    pub address_type: String,
    /// The endpoints.
    #[serde(default, deserialize_with = "or_none")]
    pub endpoints: Vec<Endpoint>,
    /// The ports that every one of these endpoints has.
    #[serde(default, deserialize_with = "or_none")]
    pub ports: Vec<Port>,
}

/// An endpoint of a slice.
#[derive(Clone, Debug, Default, Deserialize, Eq, PartialEq)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Endpoint {
    /// The address: only the first of the list has a meaning, and only if it is an IP address.
    #[serde(default, rename = "addresses", deserialize_with = "first")]
    pub address: Option<IpAddr>,
    /// The state of the endpoint.
    #[serde(default)]
    pub conditions: Conditions,
    /// The pod of the endpoint.
    #[serde(default)]
    pub target_ref: Option<Reference>,
    /// The name of the node on which the endpoint runs.
    #[serde(default)]
    pub node_name: Option<Arc<str>>,
    /// The zone of that node.
    #[serde(default)]
    pub zone: Option<Arc<str>>,
}

/// The state of an endpoint; each field may be missing.
#[derive(Clone, Copy, Debug, Default, Deserialize, Eq, PartialEq)]
pub(crate) struct Conditions {
    /// The endpoint is ready; missing means true.
    #[serde(default)]
    pub ready: Option<bool>,
    /// The endpoint serves, whether or not it is terminating; missing means true.
    #[serde(default)]
    pub serving: Option<bool>,
    /// The endpoint is terminating; missing means false.
    #[serde(default)]
    pub terminating: Option<bool>,
}

/// An object by its name.
#[derive(Clone, Debug, Default, Deserialize, Eq, PartialEq)]
pub(crate) struct Reference {
    /// The kind of the object.
    #[serde(default)]
    pub kind: Kind,
    /// The name of the object.
    #[serde(default)]
    pub name: Arc<str>,
}

/// The kind of an object.
#[derive(Clone, Copy, Debug, Default, Deserialize, Eq, PartialEq)]
pub(crate) enum Kind {
    /// A pod.
    Pod,
    /// Every other kind.
    #[default]
    #[serde(other)]
    Other,
}

/// A port of all endpoints of a slice.
#[expect(clippy::struct_field_names, reason = "the names of the API")]
#[derive(Clone, Debug, Default, Deserialize, Eq, PartialEq)]
pub(crate) struct Port {
    /// The name of the port; empty or missing where the Service has only one.
    #[serde(default)]
    pub name: Option<String>,
    /// The number of the port; missing means every port.
    #[serde(default)]
    pub port: Option<u16>,
    /// TCP, UDP or SCTP; missing means TCP.
    #[serde(default)]
    pub protocol: Option<String>,
}

/// The fields of [`ObjectMeta`] that are read at all.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Kept {
    name: Option<String>,
    namespace: Option<String>,
    resource_version: Option<String>,
}

/// Labels, owners and managedFields are most of a small slice.
fn without_the_rest<'de, D: Deserializer<'de>>(deserializer: D) -> Result<ObjectMeta, D::Error> {
    let kept = Kept::deserialize(deserializer)?;
    Ok(ObjectMeta {
        name: kept.name,
        namespace: kept.namespace,
        resource_version: kept.resource_version,
        ..ObjectMeta::default()
    })
}

/// A list may be `null`, which Go writes for none.
fn or_none<'de, D, T>(deserializer: D) -> Result<Vec<T>, D::Error>
where
    D: Deserializer<'de>,
    T: Deserialize<'de>,
{
    Ok(Option::deserialize(deserializer)?.unwrap_or_default())
}

/// Reads the first address of a list, which may be `null` and may hold names.
fn first<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<IpAddr>, D::Error> {
    let addresses = Option::<Vec<String>>::deserialize(deserializer)?;
    let first = addresses.unwrap_or_default().into_iter().next();
    Ok(first.and_then(|address| address.parse().ok()))
}

// === impl EndpointSlice ===

impl kube::Resource for EndpointSlice {
    type DynamicType = ();
    type Scope = NamespaceResourceScope;

    fn kind((): &()) -> Cow<'_, str> {
        "EndpointSlice".into()
    }

    fn group((): &()) -> Cow<'_, str> {
        "discovery.k8s.io".into()
    }

    fn version((): &()) -> Cow<'_, str> {
        "v1".into()
    }

    fn plural((): &()) -> Cow<'_, str> {
        "endpointslices".into()
    }

    fn meta(&self) -> &ObjectMeta {
        &self.metadata
    }

    fn meta_mut(&mut self) -> &mut ObjectMeta {
        &mut self.metadata
    }
}

impl EndpointSlice {
    /// Returns whether the addresses are names.
    pub(crate) fn has_names(&self) -> bool {
        self.address_type == "FQDN"
    }
}

// === impl Port ===

impl Port {
    /// Returns whether the port can be dialled.
    pub(crate) fn is_tcp(&self) -> bool {
        self.protocol
            .as_deref()
            .is_none_or(|protocol| protocol == "TCP")
    }

    /// Returns the name of the port, empty where it has none.
    pub(crate) fn name(&self) -> &str {
        self.name.as_deref().unwrap_or_default()
    }
}

#[cfg(test)]
mod tests {
    use kube::Resource as _;
    use serde_json::json;

    use super::*;

    #[test]
    fn null_is_as_good_as_nothing() {
        let slice: EndpointSlice = serde_json::from_value(json!({
            "metadata": { "name": "greeter-a", "managedFields": [{ "manager": "x" }] },
            "addressType": "IPv4",
            "endpoints": null,
            "ports": null,
        }))
        .expect("must be a slice");
        assert_eq!(slice.metadata.managed_fields, None);
        assert_eq!(slice.metadata.name.as_deref(), Some("greeter-a"));
        assert!(slice.endpoints.is_empty() && slice.ports.is_empty());
        let endpoint: Endpoint = serde_json::from_value(json!({
            "addresses": null, "conditions": {}, "targetRef": null,
        }))
        .expect("must be an endpoint");
        assert_eq!(endpoint, Endpoint::default());
        let service: Reference = serde_json::from_value(json!({ "kind": "Service", "name": "x" }))
            .expect("must be a reference");
        assert_eq!(service.kind, Kind::Other);
    }

    #[test]
    fn is_where_the_api_server_has_it() {
        assert_eq!(
            EndpointSlice::url_path(&(), Some("shop")),
            "/apis/discovery.k8s.io/v1/namespaces/shop/endpointslices"
        );
    }
}
