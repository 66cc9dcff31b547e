//! The name of a Service as text, in every form that a release of kuberesolver takes.
//!
//! | text                                           | namespace | Service, port          |
//! |------------------------------------------------|-----------|------------------------|
//! | `kubernetes:///greeter`                        | our own   | greeter, the first     |
//! | `kubernetes:///greeter:8080`, `:grpc`          | our own   | by number, by name     |
//! | `kubernetes:///greeter.prod:grpc`              | prod      | greeter                |
//! | `kubernetes:///greeter.prod.svc.cluster.local` | prod      | what follows is unread |
//! | `kubernetes://prod/greeter:grpc`               | prod      | greeter                |
//! | `kubernetes://greeter.prod:grpc/`, no slash    | prod      | greeter                |
//! | `kubernetes:greeter.prod:8080`, `greeter.prod` | prod      | greeter                |
//!
//! A number is a port of the endpoints, `targetPort`, and not the Service's own `port`.
//! Refused is what two releases read in two ways.

use std::fmt;
use std::str::FromStr;

use crate::cluster::names;

/// The scheme that kuberesolver registers.
pub(crate) const SCHEME: &str = "kubernetes";

/// A Service, and which of its ports.
#[derive(Clone, Debug, Eq, Hash, PartialEq)]
pub struct Target {
    /// The namespace of the Service; `None` is the caller's own.
    pub namespace: Option<String>,
    /// The name of the Service.
    pub service: String,
    /// The port of its endpoints.
    pub port: Port,
}

/// A port of an endpoint.
#[derive(Clone, Debug, Eq, Hash, PartialEq)]
pub enum Port {
    /// The first port, in the order of the Service.
    First,
    /// The port of this number, 1–65535.
    Number(u16),
    /// The port of this name.
    Name(String),
}

/// The reason why a text is not a [`Target`].
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum InvalidTarget {
    /// The text names no Service.
    #[error("no Service; expected kubernetes:///service.namespace:port")]
    NoService,
    /// The text has another scheme.
    #[error("{0}:// is no {SCHEME}://; expected kubernetes:///service.namespace:port")]
    Scheme(String),
    /// A name that no object of Kubernetes has.
    #[error(
        "{text:?} is no name of a {what}: expected 1 to 63 of a-z, 0-9 and -, no - at either end"
    )]
    Label {
        /// The part of the target that the text should be.
        what: &'static str,
        /// The text that was given.
        text: String,
    },
    /// A number that is no port.
    #[error("port {0} is not from 1 to 65535")]
    Port(String),
    /// The text has two namespaces. kuberesolver 3 takes the second, later releases the first.
    #[error(
        "namespace {first} or {second}? kuberesolver 3 takes {second}, later ones {first}; write kubernetes://{first}/{service} or kubernetes:///{service}.{second}"
    )]
    TwoNamespaces {
        /// The namespace before the slash.
        first: String,
        /// The namespace behind the Service's name.
        second: String,
        /// The Service.
        service: String,
    },
    /// `kubernetes://prod:9/greeter`: kuberesolver 3 finds nothing, and later ones a
    /// Service `prod`.
    #[error(
        "a port before the slash and a path behind it; write kubernetes://namespace/service:port"
    )]
    PortThenPath,
}

// === impl Target ===

impl Target {
    /// Reads the text of a resolver that is registered for another scheme.
    ///
    /// # Errors
    ///
    /// What to write instead.
    pub fn parse(text: &str, scheme: &str) -> Result<Self, InvalidTarget> {
        let place = match text.split_once("://") {
            Some((before, _)) if before.eq_ignore_ascii_case(scheme) => &text[scheme.len() + 1..],
            Some((before, _)) => return Err(InvalidTarget::Scheme(before.to_owned())),
            None => match text.get(..=scheme.len()) {
                Some(head) if is_scheme(head, scheme) => &text[scheme.len() + 1..],
                _ => text,
            },
        };
        let Some(place) = place.strip_prefix("//") else {
            return read(
                None,
                without_slash(place.strip_prefix('/').unwrap_or(place)),
            );
        };
        match place.split_once('/') {
            Some(("", path)) => read(None, without_slash(path)),
            None | Some((_, "")) => read(None, without_slash(place)),
            Some((host, _)) if host.contains(':') => Err(InvalidTarget::PortThenPath),
            Some((host, path)) => read(Some(host), without_slash(path)),
        }
    }

    /// Returns the target in this namespace, unless it names one itself.
    #[must_use]
    pub fn or_in(mut self, namespace: &str) -> Self {
        self.namespace.get_or_insert_with(|| namespace.to_owned());
        self
    }

    /// `service.namespace`: what its certificate and `:authority` say, as kuberesolver
    /// has it since 3.1.
    pub fn server_name(&self) -> String {
        match &self.namespace {
            Some(namespace) => format!("{}.{namespace}", self.service),
            None => self.service.clone(),
        }
    }
}

impl FromStr for Target {
    type Err = InvalidTarget;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        Self::parse(text, SCHEME)
    }
}

impl fmt::Display for Target {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let namespace = self.namespace.as_deref().unwrap_or_default();
        write!(f, "{SCHEME}://{namespace}/{}", self.service)?;
        match &self.port {
            Port::First => Ok(()),
            Port::Number(number) => write!(f, ":{number}"),
            Port::Name(name) => write!(f, ":{name}"),
        }
    }
}

fn is_scheme(head: &str, scheme: &str) -> bool {
    head.strip_suffix(':')
        .is_some_and(|head| head.eq_ignore_ascii_case(scheme))
}

/// Accepts the form `kubernetes://prod/greeter/`, as kuberesolver 3 does.
fn without_slash(path: &str) -> &str {
    path.strip_suffix('/').unwrap_or(path)
}

/// `service[.namespace[.anything]][:port]`, and what stands before a slash.
fn read(before: Option<&str>, text: &str) -> Result<Target, InvalidTarget> {
    let (name, port) = match text.rsplit_once(':') {
        Some((name, port)) => (name, read_port(port)?),
        None => (text, Port::First),
    };
    let mut parts = name.splitn(3, '.');
    let service = parts.next().unwrap_or_default();
    if service.is_empty() {
        return Err(InvalidTarget::NoService);
    }
    let service = label("Service", service)?;
    let dotted = parts
        .next()
        .map(|text| label("namespace", text))
        .transpose()?;
    if let Some(domain) = parts.next() {
        let domain = domain.strip_suffix('.').unwrap_or(domain);
        for part in domain.split('.') {
            label("cluster's domain", part)?;
        }
    }
    let before = before.map(|text| label("namespace", text)).transpose()?;
    let namespace = match (before, dotted) {
        (Some(first), Some(second)) if first != second => {
            return Err(InvalidTarget::TwoNamespaces {
                first,
                second,
                service,
            });
        }
        (before, dotted) => before.or(dotted),
    };
    Ok(Target {
        namespace,
        service,
        port,
    })
}

fn read_port(text: &str) -> Result<Port, InvalidTarget> {
    let digits = text.strip_prefix(['-', '+']).unwrap_or(text);
    let is_number = !digits.is_empty() && digits.bytes().all(|byte| byte.is_ascii_digit());
    if text.is_empty() {
        return Ok(Port::First);
    }
    if !is_number {
        return label("port", text).map(Port::Name);
    }
    // u16's own parser takes "+80", which is no other reader's port.
    let number = if digits == text { text.parse() } else { Ok(0) };
    match number {
        Ok(number @ 1..) => Ok(Port::Number(number)),
        _ => Err(InvalidTarget::Port(text.to_owned())),
    }
}

/// A DNS label. Source: Kubernetes' RFC 1123 label rule.
fn label(what: &'static str, text: &str) -> Result<String, InvalidTarget> {
    let is_label = names::is_label(text);
    let text = text.to_owned();
    if is_label {
        Ok(text)
    } else {
        Err(InvalidTarget::Label { what, text })
    }
}

#[cfg(test)]
mod tests;
