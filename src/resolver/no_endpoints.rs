//! The reasons why a target has no endpoints, in words that say what to write instead.
//!
//! | the slices            | the Service          | said                                   |
//! |-----------------------|----------------------|----------------------------------------|
//! | none                  | none                 | there is no such Service               |
//! | none, or none filled  | there, or unreadable | it has no endpoints                    |
//! | only names (FQDN)     |                      | that names are not resolved            |
//! | other ports           | has a named port     | that no container has a port so named  |
//! | other ports           |                      | no port of this name, and which are    |
//! | endpoints, none ready |                      | how many are not                       |
//! | endpoints             | has this port number | where its endpoints listen instead     |

use crate::resolver::service::Service;
use crate::resolver::slices::{SlicePort, Union};
use crate::resolver::target::{Port, Target};

/// The knowledge about the Service itself, which need not be readable.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(crate) enum Known {
    /// The Service was not read, or must not be read.
    Nothing,
    /// No Service has this name.
    Absent,
    /// The Service as it was read.
    There(Service),
}

/// The reason why there is no endpoint to call.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
pub(crate) enum NoEndpoints {
    /// No such Service.
    #[error("no Service {service} in namespace {namespace}")]
    NoService {
        /// The name of the Service.
        service: String,
        /// The namespace in which the Service was looked for.
        namespace: String,
    },
    /// A Service that is another name.
    #[error("{0} stands for {1} (ExternalName) and has no endpoints: dial that name instead")]
    ExternalName(String, String),
    /// A Service with nobody behind it.
    #[error("{0} has no endpoints")]
    Empty(String),
    /// The slices are empty, and the Service could not be read.
    #[error("{0} has no endpoints: is there a Service of this name, and a pod behind it?")]
    NothingKnown(String),
    /// No endpoint has a port of this name.
    #[error("no port named {port} on {name}; available: {}", listed(.available))]
    NoPort {
        /// The name of the port in the target.
        port: String,
        /// The name of the Service.
        name: String,
        /// The ports that the endpoints have.
        available: Vec<SlicePort>,
    },
    /// No endpoint has a TCP port.
    #[error("{0} has no TCP port: give a number, such as {1}:8080")]
    NoTcp(String, Target),
    /// The Service has the port, but its pods do not.
    #[error(
        "the port {port} of the Service {name} has the targetPort {target:?}, which no container of its pods has: give that name to a port of the container, or write a number"
    )]
    NoContainerPort {
        /// The name or the number of the Service's port.
        port: String,
        /// The name of the Service.
        name: String,
        /// The name that the container's port should have.
        target: String,
    },
    /// The endpoints are names.
    #[error(
        "the endpoints of {0} are names (addressType FQDN), which are not resolved: dial the name instead"
    )]
    Names(String),
    /// Every endpoint is starting, failing or terminating.
    #[error("none of the {0} endpoints of {1} is ready")]
    NoneReady(usize, String),
}

/// A number that no endpoint is known to listen on: dialled all the same.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
pub(crate) enum Unlisted {
    /// The number is the port of the Service itself.
    #[error(
        "{number} is the port of the Service {name} itself, whose endpoints listen on {there}: write {instead}"
    )]
    Services {
        /// The number in the target.
        number: u16,
        /// The name of the Service.
        name: String,
        /// The ports on which the endpoints listen.
        there: SlicePort,
        /// The target to write.
        instead: Target,
    },
    /// The number belongs to no port at all.
    #[error("{number} is none of the ports of {name}: {}", listed(.available))]
    Nobodys {
        /// The number in the target.
        number: u16,
        /// The name of the Service.
        name: String,
        /// The ports that the endpoints have.
        available: Vec<SlicePort>,
    },
}

/// Returns the reason why a union has no endpoint to call; `None` if it has one.
pub(crate) fn reason(
    target: &Target,
    union: &Union,
    include_not_ready: bool,
    service: &Known,
) -> Option<NoEndpoints> {
    if union.candidates(include_not_ready).next().is_some() {
        return None;
    }
    let name = target.server_name();
    if !union.endpoints.is_empty() {
        return Some(NoEndpoints::NoneReady(union.endpoints.len(), name));
    }
    if union.is_filled {
        if let Known::There(service) = service
            && let Some((port, target)) = service.named_target(&target.port)
        {
            let target = target.to_owned();
            return Some(NoEndpoints::NoContainerPort { port, name, target });
        }
        return Some(match &target.port {
            Port::Name(port) => NoEndpoints::NoPort {
                port: port.clone(),
                name,
                available: union.ports.iter().cloned().collect(),
            },
            Port::First | Port::Number(_) => NoEndpoints::NoTcp(name, target.clone()),
        });
    }
    if union.has_names {
        return Some(NoEndpoints::Names(name));
    }
    Some(match service {
        Known::Absent if union.slices == 0 => NoEndpoints::NoService {
            service: target.service.clone(),
            namespace: target.namespace.clone().unwrap_or_default(),
        },
        Known::There(service) => match &service.spec.external_name {
            Some(external) if !external.is_empty() => {
                NoEndpoints::ExternalName(name, external.clone())
            }
            _ => NoEndpoints::Empty(name),
        },
        Known::Absent | Known::Nothing if union.slices > 0 => NoEndpoints::Empty(name),
        Known::Absent | Known::Nothing => NoEndpoints::NothingKnown(name),
    })
}

/// Returns what a port number is that the slices do not list.
pub(crate) fn unlisted(target: &Target, union: &Union, service: &Known) -> Option<Unlisted> {
    let Port::Number(number) = target.port else {
        return None;
    };
    let is_listed = union.ports.iter().any(|port| port.number == number);
    if is_listed || union.ports.is_empty() {
        return None;
    }
    let name = target.server_name();
    let services = match service {
        Known::There(service) => service.port(number),
        Known::Nothing | Known::Absent => None,
    };
    // A port of a slice has the name that the Service's has.
    let there = services.and_then(|port| {
        let name = port.name.as_deref().unwrap_or_default();
        union.ports.iter().find(|port| port.name == name)
    });
    Some(match there {
        Some(there) => Unlisted::Services {
            number,
            name,
            there: there.clone(),
            instead: Target {
                port: there.port(),
                ..target.clone()
            },
        },
        None => Unlisted::Nobodys {
            number,
            name,
            available: union.ports.iter().cloned().collect(),
        },
    })
}

/// Returns whether only the Service itself can explain the state of the slices.
pub(crate) fn needs_service(target: &Target, union: &Union) -> bool {
    let lacks_port = union.is_filled && union.endpoints.is_empty();
    let is_empty = !union.is_filled && !union.has_names;
    lacks_port || is_empty || unlisted(target, union, &Known::Nothing).is_some()
}

fn listed(ports: &[SlicePort]) -> String {
    let ports: Vec<_> = ports.iter().map(ToString::to_string).collect();
    if ports.is_empty() {
        "none".to_owned()
    } else {
        ports.join(", ")
    }
}

#[cfg(test)]
mod tests;
