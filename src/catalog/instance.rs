//! An instance in the form of Amalgam8's registry.

use std::net::SocketAddr;

use serde_json::Value;

use crate::catalog::endpoint::{Endpoint, Kind, Status};

/// The tag of every instance that comes from Kubernetes.
pub(crate) const KUBERNETES: &str = "kubernetes";

/// An address and port of a service, with its status and version.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Instance {
    /// The pod's uid (the IP address if there is no pod), a dash and the port.
    pub id: String,
    /// The version if it is known, and then the tag `kubernetes`.
    pub tags: Vec<String>,
    /// The IP address and the port number.
    pub address: SocketAddr,
    /// The type of the endpoint in Amalgam8's terms.
    pub kind: Kind,
    /// The `appProtocol` of the Service's port.
    pub app_protocol: Option<String>,
    /// The status, by which clients decide whether to call the instance.
    pub status: Status,
}

/// The fields of an instance, in the registry's order.
pub(crate) const FIELDS: [&str; 9] = [
    "id",
    "service_name",
    "endpoint",
    "ttl",
    "status",
    "metadata",
    "last_heartbeat",
    "links",
    "tags",
];

// === impl Instance ===

impl Instance {
    /// Returns the instance of an endpoint, with the version of its pod.
    pub(crate) fn new(endpoint: &Endpoint, version: Option<&str>) -> Self {
        let (ip, port) = (endpoint.address.ip(), endpoint.address.port());
        let uid = endpoint.pod.as_ref().and_then(|pod| pod.uid.as_ref());
        let id = match uid {
            Some(uid) => format!("{uid}-{port}"),
            None => format!("{ip}-{port}"),
        };
        let tags = version.into_iter().chain([KUBERNETES]);
        Self {
            id,
            tags: tags.map(str::to_owned).collect(),
            address: endpoint.address,
            kind: endpoint.kind,
            app_protocol: endpoint.app_protocol.clone(),
            status: endpoint.status,
        }
    }

    /// Returns the tags with commas between them, by which `a8ctl` groups instances.
    pub fn group(&self) -> String {
        self.tags.join(",")
    }

    /// Formats the instance as JSON with these fields, in the registry's order. The id and the
    /// endpoint are always present. An absent value is left out; ttl and links are always absent.
    pub(crate) fn json(&self, service: &str, fields: &[&str]) -> String {
        let text = |text: &str| Value::from(text).to_string();
        let mut written = Vec::new();
        for field in FIELDS {
            if !fields.contains(&field) && !matches!(field, "id" | "endpoint") {
                continue;
            }
            let value = match field {
                "id" => text(&self.id),
                "service_name" => text(service),
                "endpoint" => format!(
                    r#"{{"type":"{}","value":"{}"}}"#,
                    self.kind.as_str(),
                    self.address
                ),
                "status" => text(self.status.as_str()),
                "metadata" => match &self.app_protocol {
                    Some(spoken) => format!(r#"{{"app_protocol":{}}}"#, text(spoken)),
                    None => continue,
                },
                // The registry receives no heartbeat, so that it writes Go's zero time.
                "last_heartbeat" => text("0001-01-01T00:00:00Z"),
                "tags" => Value::from(self.tags.clone()).to_string(),
                _ => continue,
            };
            written.push(format!(r#""{field}":{value}"#));
        }
        format!("{{{}}}", written.join(","))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::catalog::endpoint::Pod;

    fn endpoint(address: &str, uid: Option<&str>) -> Endpoint {
        Endpoint {
            address: address.parse().unwrap(),
            kind: Kind::Tcp,
            app_protocol: None,
            status: Status::Up,
            pod: uid.map(|uid| Pod {
                name: "helloworld-v1-aaaaa".to_owned(),
                uid: Some(uid.to_owned()),
            }),
        }
    }

    const JSON_FIELDS: [&str; 4] = ["service_name", "status", "metadata", "tags"];

    #[test]
    fn the_seeds_instance_has_the_seeds_json() {
        let instance = Instance::new(&endpoint("172.17.0.11:5000", Some("1c2f")), Some("v1"));
        assert_eq!(
            instance.json("helloworld", &JSON_FIELDS),
            r#"{"id":"1c2f-5000","service_name":"helloworld","endpoint":{"type":"tcp","value":"172.17.0.11:5000"},"status":"UP","tags":["v1","kubernetes"]}"#
        );
        assert_eq!(instance.group(), "v1,kubernetes");
    }

    #[test]
    fn without_a_pod_the_address_is_the_id() {
        let instance = Instance::new(&endpoint("172.17.0.11:5000", None), None);
        assert_eq!(instance.id, "172.17.0.11-5000");
        assert_eq!(instance.tags, ["kubernetes"]);
        let instance = Instance::new(&endpoint("[fd00::1]:5000", None), None);
        assert_eq!(
            instance.json("web", &[]),
            r#"{"id":"fd00::1-5000","endpoint":{"type":"tcp","value":"[fd00::1]:5000"}}"#
        );
    }

    #[test]
    fn fields_come_in_the_registrys_order() {
        let spoken = Endpoint {
            app_protocol: Some("grpc".to_owned()),
            kind: Kind::Http,
            ..endpoint("10.0.0.1:80", Some("u"))
        };
        let instance = Instance::new(&spoken, None);
        assert_eq!(
            instance.json(
                "web",
                &["tags", "last_heartbeat", "metadata", "ttl", "links"]
            ),
            r#"{"id":"u-80","endpoint":{"type":"http","value":"10.0.0.1:80"},"metadata":{"app_protocol":"grpc"},"last_heartbeat":"0001-01-01T00:00:00Z","tags":["kubernetes"]}"#
        );
    }
}
