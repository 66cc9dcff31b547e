//! Why a target stands for nothing, in words that say what to write instead.
//!
//! | the slices            | the Service          | said                                   |
//! |-----------------------|----------------------|----------------------------------------|
//! | none                  | none                 | there is no such Service               |
//! | none, or none filled  | there, or unreadable | it has no endpoints                    |
//! | other ports           |                      | no port of this name, and which are    |
//! | endpoints, none ready |                      | how many are not                       |
//! | endpoints             | has this port number | where its endpoints listen instead     |

use crate::resolver::service::Service;
use crate::resolver::slices::{SlicePort, Union};
use crate::resolver::target::{Port, Target};

/// What is known of the Service itself, which need not be readable.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(crate) enum Known {
    /// It may not be read, or was not.
    Nothing,
    /// There is none.
    Absent,
    /// There is this one.
    There(Service),
}

/// Why there is nothing to ask.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
pub(crate) enum Absence {
    /// No such Service.
    #[error("no Service {service} in namespace {namespace}")]
    NoService {
        /// Its name.
        service: String,
        /// Where it was looked for.
        namespace: String,
    },
    /// A Service that is another name.
    #[error("{0} stands for {1} (ExternalName) and has no endpoints: dial that name instead")]
    ExternalName(String, String),
    /// A Service with nobody behind it.
    #[error("{0} has no endpoints")]
    NoEndpoints(String),
    /// Nobody knows whether there is such a Service.
    #[error("{0} has no endpoints: is there a Service of this name, and a pod behind it?")]
    NothingKnown(String),
    /// Nobody listens on a port of this name.
    #[error("no port named {port} on {name}; available: {}", listed(.available))]
    NoPort {
        /// What was asked for.
        port: String,
        /// Of whom.
        name: String,
        /// What there is.
        available: Vec<SlicePort>,
    },
    /// Nobody listens on TCP at all.
    #[error("{0} has no TCP port: give a number, such as {1}:8080")]
    NoTcp(String, Target),
    /// All are starting, failing or going.
    #[error("none of the {0} endpoints of {1} is ready")]
    NoneReady(usize, String),
}

/// A number that no endpoint is known to listen on: dialled all the same.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
pub(crate) enum Unlisted {
    /// It is the Service's own.
    #[error(
        "{number} is the port of the Service {name} itself, whose endpoints listen on {there}: write {instead}"
    )]
    Services {
        /// What was asked for.
        number: u16,
        /// Of whom.
        name: String,
        /// Where they listen.
        there: SlicePort,
        /// The target to write.
        instead: Target,
    },
    /// It is nobody's.
    #[error("{number} is none of the ports of {name}: {}", listed(.available))]
    Nobodys {
        /// What was asked for.
        number: u16,
        /// Of whom.
        name: String,
        /// What there is.
        available: Vec<SlicePort>,
    },
}

/// Why nothing of a union is considered; `None` if something is.
pub(crate) fn absence(
    target: &Target,
    union: &Union,
    include_not_ready: bool,
    service: &Known,
) -> Option<Absence> {
    if union.considered(include_not_ready).next().is_some() {
        return None;
    }
    let name = target.server_name();
    if !union.endpoints.is_empty() {
        return Some(Absence::NoneReady(union.endpoints.len(), name));
    }
    if union.is_filled {
        return Some(match &target.port {
            Port::Name(port) => Absence::NoPort {
                port: port.clone(),
                name,
                available: union.ports.iter().cloned().collect(),
            },
            Port::First | Port::Number(_) => Absence::NoTcp(name, target.clone()),
        });
    }
    Some(match service {
        Known::Absent if union.slices == 0 => Absence::NoService {
            service: target.service.clone(),
            namespace: target.namespace.clone().unwrap_or_default(),
        },
        Known::There(service) => match &service.spec.external_name {
            Some(external) if !external.is_empty() => Absence::ExternalName(name, external.clone()),
            _ => Absence::NoEndpoints(name),
        },
        Known::Absent | Known::Nothing if union.slices > 0 => Absence::NoEndpoints(name),
        Known::Absent | Known::Nothing => Absence::NothingKnown(name),
    })
}

/// Whether a number is none that the slices list, and whose it may be instead.
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

/// Whether only the Service itself can explain what there is.
pub(crate) fn needs_service(target: &Target, union: &Union) -> bool {
    !union.is_filled || unlisted(target, union, &Known::Nothing).is_some()
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
