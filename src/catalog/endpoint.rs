//! The endpoints of an `EndpointSlice` in Amalgam8's terms.
//!
//! | the port                                        | type  |
//! |-------------------------------------------------|-------|
//! | UDP                                             | udp   |
//! | TCP, appProtocol http, grpc, kubernetes.io/h2c… | http  |
//! | TCP, appProtocol https, kubernetes.io/wss       | https |
//! | TCP, else named http or https                   | that  |
//! | TCP, else                                       | tcp   |
//! | SCTP, or without a number                       | –     |
//!
//! | the endpoint              | status           |
//! |---------------------------|------------------|
//! | terminating               | `OUT_OF_SERVICE` |
//! | ready, or not specified   | UP               |
//! | else                      | STARTING         |
//!
//! Source: the registry v0.4.2, which knew only UP, and the later states of Kubernetes.
//! Only the first address of an endpoint has a meaning.

use std::net::{IpAddr, SocketAddr};

use k8s_openapi::api::discovery::v1::EndpointSlice;

/// The label with the name of the Service.
const SERVICE: &str = "kubernetes.io/service-name";

/// An address and port of a Service.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(crate) struct Endpoint {
    /// The IP address and the port number.
    pub address: SocketAddr,
    /// The type of the endpoint in Amalgam8's terms.
    pub kind: Kind,
    /// The `appProtocol` of the Service's port.
    pub app_protocol: Option<String>,
    /// The status, by which clients decide whether to call the endpoint.
    pub status: Status,
    /// The pod behind the endpoint, if its target is a pod.
    pub pod: Option<Pod>,
}

/// A pod as an endpoint refers to it.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(crate) struct Pod {
    /// The name of the pod.
    pub name: String,
    /// The uid of the pod.
    pub uid: Option<String>,
}

/// The types of an endpoint in Amalgam8.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Kind {
    /// HTTP, which Amalgam8 routes by content.
    Http,
    /// HTTPS, which is HTTP over TLS.
    Https,
    /// TCP with another protocol over it.
    Tcp,
    /// UDP datagrams.
    Udp,
}

/// The statuses of an instance in Amalgam8, the best first.
#[derive(Clone, Copy, Debug, Eq, Ord, PartialEq, PartialOrd)]
pub enum Status {
    /// The instance is ready, and clients may call it.
    Up,
    /// The instance is not ready yet, or not at present.
    Starting,
    /// The instance is terminating.
    OutOfService,
}

/// Returns the name of the Service that owns a slice.
pub(crate) fn service(slice: &EndpointSlice) -> Option<&str> {
    let labels = slice.metadata.labels.as_ref()?;
    labels.get(SERVICE).map(String::as_str)
}

/// Returns the label selector for the slices of one Service.
pub(crate) fn selector(service: &str) -> String {
    format!("{SERVICE}={service}")
}

/// Returns each address of a slice with each of its ports.
pub(crate) fn endpoints(slice: &EndpointSlice) -> Vec<Endpoint> {
    let ports = slice.ports.iter().flatten().filter_map(|port| {
        let number = u16::try_from(port.port?).ok()?;
        let app_protocol = port.app_protocol.as_deref();
        let kind = kind(port.protocol.as_deref(), port.name.as_deref(), app_protocol)?;
        Some((number, kind, port.app_protocol.clone()))
    });
    let ports: Vec<_> = ports.collect();
    let mut found = Vec::new();
    for endpoint in slice.endpoints.iter().flatten() {
        let first = endpoint.addresses.first();
        let Some(ip) = first.and_then(|address| address.parse::<IpAddr>().ok()) else {
            continue;
        };
        let conditions = endpoint.conditions.clone().unwrap_or_default();
        let pod = endpoint.target_ref.as_ref().and_then(|target| {
            let is_pod = target.kind.as_deref().is_none_or(|kind| kind == "Pod");
            let name = target.name.clone().filter(|_| is_pod)?;
            let uid = target.uid.clone();
            Some(Pod { name, uid })
        });
        for (port, kind, app_protocol) in &ports {
            found.push(Endpoint {
                address: SocketAddr::new(ip, *port),
                kind: *kind,
                app_protocol: app_protocol.clone(),
                status: status(conditions.ready, conditions.terminating),
                pod: pod.clone(),
            });
        }
    }
    found
}

fn kind(protocol: Option<&str>, name: Option<&str>, app_protocol: Option<&str>) -> Option<Kind> {
    match protocol.unwrap_or("TCP") {
        "UDP" => return Some(Kind::Udp),
        "TCP" => {}
        _ => return None,
    }
    let spoken = app_protocol.unwrap_or_default().to_ascii_lowercase();
    match spoken.strip_prefix("kubernetes.io/").unwrap_or(&spoken) {
        "http" | "h2c" | "grpc" | "ws" => return Some(Kind::Http),
        "https" | "wss" => return Some(Kind::Https),
        _ => {}
    }
    let name = name.unwrap_or_default();
    Some(if name.eq_ignore_ascii_case("http") {
        Kind::Http
    } else if name.eq_ignore_ascii_case("https") {
        Kind::Https
    } else {
        Kind::Tcp
    })
}

fn status(ready: Option<bool>, terminating: Option<bool>) -> Status {
    if terminating == Some(true) {
        Status::OutOfService
    } else if ready == Some(false) {
        Status::Starting
    } else {
        Status::Up
    }
}

// === impl Kind ===

impl Kind {
    /// Returns the text that Amalgam8 writes.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Http => "http",
            Self::Https => "https",
            Self::Tcp => "tcp",
            Self::Udp => "udp",
        }
    }
}

// === impl Status ===

impl Status {
    /// Returns the text that Amalgam8 writes.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Up => "UP",
            Self::Starting => "STARTING",
            Self::OutOfService => "OUT_OF_SERVICE",
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn a_port_has_a_type() {
        for (protocol, name, app_protocol, expected) in [
            (Some("TCP"), None, None, "tcp"),
            (None, Some(""), None, "tcp"),
            (Some("TCP"), Some("http"), None, "http"),
            (Some("TCP"), Some("HTTP"), None, "http"),
            (Some("TCP"), Some("https"), None, "https"),
            (Some("TCP"), Some("donald-duck"), None, "tcp"),
            (Some("TCP"), Some("http-web"), None, "tcp"),
            (Some("UDP"), Some("http"), None, "udp"),
            (Some("UDP"), None, Some("http"), "udp"),
            (Some("TCP"), Some("web"), Some("http"), "http"),
            (Some("TCP"), Some("http"), Some("https"), "https"),
            (
                Some("TCP"),
                Some("https"),
                Some("kubernetes.io/h2c"),
                "http",
            ),
            (None, None, Some("grpc"), "http"),
            (None, None, Some("kubernetes.io/grpc"), "http"),
            (None, None, Some("kubernetes.io/ws"), "http"),
            (None, None, Some("kubernetes.io/wss"), "https"),
            (None, Some("http"), Some("example.com/own"), "http"),
            (None, None, Some("mysql"), "tcp"),
            (Some("SCTP"), Some("http"), None, "-"),
        ] {
            let found = kind(protocol, name, app_protocol).map_or("-", Kind::as_str);
            assert_eq!(found, expected, "{protocol:?} {name:?} {app_protocol:?}");
        }
    }

    #[test]
    fn an_unspecified_condition_is_good() {
        let (yes, no) = (Some(true), Some(false));
        for (ready, terminating, expected) in [
            (None, None, "UP"),
            (yes, None, "UP"),
            (yes, no, "UP"),
            (no, None, "STARTING"),
            (no, no, "STARTING"),
            (no, yes, "OUT_OF_SERVICE"),
            // A terminating pod is ready with publishNotReadyAddresses.
            (yes, yes, "OUT_OF_SERVICE"),
        ] {
            assert_eq!(
                status(ready, terminating).as_str(),
                expected,
                "{ready:?} {terminating:?}"
            );
        }
    }

    #[test]
    fn every_address_has_every_port() {
        let slice = json!({
            "metadata": {"labels": {"kubernetes.io/service-name": "web"}},
            "addressType": "IPv4",
            "ports": [
                {"port": 5000, "protocol": "TCP"},
                {"port": 53, "protocol": "UDP", "name": "dns"},
                {"port": 7, "protocol": "SCTP"},
                {"name": "any", "protocol": "TCP"},
            ],
            "endpoints": [
                {
                    "addresses": ["172.17.0.11", "172.17.0.99"],
                    "targetRef": {"kind": "Pod", "name": "web-v1-aaaaa", "uid": "u-1"},
                },
                {"addresses": ["fd00::1"], "conditions": {"ready": false}},
                {"addresses": ["web.example.com"]},
                {"addresses": []},
            ],
        });
        let slice: EndpointSlice = serde_json::from_value(slice).unwrap();
        assert_eq!(service(&slice), Some("web"));
        let found = endpoints(&slice);
        let summary = |endpoint: &Endpoint| {
            let pod = endpoint.pod.as_ref();
            let pod = pod.map_or("-", |pod| pod.name.as_str()).to_owned();
            let (kind, status) = (endpoint.kind.as_str(), endpoint.status.as_str());
            format!("{kind} {} {status} {pod}", endpoint.address)
        };
        assert_eq!(
            found.iter().map(summary).collect::<Vec<_>>(),
            [
                "tcp 172.17.0.11:5000 UP web-v1-aaaaa",
                "udp 172.17.0.11:53 UP web-v1-aaaaa",
                "tcp [fd00::1]:5000 STARTING -",
                "udp [fd00::1]:53 STARTING -",
            ]
        );
        assert!(endpoints(&EndpointSlice::default()).is_empty());
        assert_eq!(service(&EndpointSlice::default()), None);
    }
}
