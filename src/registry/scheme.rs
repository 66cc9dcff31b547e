//! What the labels and annotations of a registration are called.
//!
//! | scheme     | type label              | selector label                   | annotation                |
//! |------------|-------------------------|----------------------------------|---------------------------|
//! | `micro.mu` | `micro.mu/type=service` | `micro.mu/selector-NAME=service` | `micro.mu/service-NAME`   |
//! | `go.micro` | `micro=service`         | `go.micro/NAME=service`          | `go.micro/NAME`           |
//!
//! `micro.mu` is every go-plugins release since May 2016 and every plugin of go-micro v3
//! to v5; `go.micro` is the core of go-micro v2.0.0 to v2.4.0, and mqant.
//!
//! NAME is the service's name with every byte outside `[-A-Za-z0-9_.]` replaced by `_`.
//! Clients compute the key the same way, so a name whose key Kubernetes does not accept
//! cannot be found by anybody under any other spelling: it is refused.

use std::fmt;
use std::str::FromStr;

/// One generation's names.
#[derive(Clone, Copy, Debug, Eq, Ord, PartialEq, PartialOrd)]
pub enum Scheme {
    /// go-plugins, and the plugins of go-micro v3 to v5.
    MicroMu,
    /// The core of go-micro v2.0.0 to v2.4.0.
    GoMicro,
}

/// The value of `--register_scheme`.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub enum Schemes {
    /// [`Scheme::MicroMu`].
    #[default]
    MicroMu,
    /// [`Scheme::GoMicro`].
    GoMicro,
    /// Both, while clients of one generation are replaced by those of another.
    Both,
}

/// The keys of one service in one scheme. The value of both labels is [`LABEL_VALUE`].
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Keys {
    /// The label of every pod that has a service.
    pub type_label: &'static str,
    /// The label of every pod that has this service.
    pub selector_label: String,
    /// The annotation that holds the record.
    pub annotation: String,
}

/// A service name whose keys Kubernetes does not accept.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
pub enum UnmappableName {
    /// The part of a key behind its slash has a limit.
    #[error(
        "the service name {service:?} becomes the label {key:?}, with {length} bytes after the slash where Kubernetes allows {LIMIT}: a name may have {longest}"
    )]
    TooLong {
        /// The name.
        service: String,
        /// What it becomes.
        key: String,
        /// Bytes of the key behind its slash.
        length: usize,
        /// Bytes that a name may have in this scheme.
        longest: usize,
    },

    /// The part of a key behind its slash begins and ends with a letter or a digit.
    #[error(
        "the service name {service:?} becomes the label {key:?}, with {length} bytes after the slash of which Kubernetes allows {LIMIT}: they must begin and end with a letter or a digit"
    )]
    Edge {
        /// The name.
        service: String,
        /// What it becomes.
        key: String,
        /// Bytes of the key behind its slash.
        length: usize,
    },
}

/// A text that is no value of `--register_scheme`.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
#[error("expected micro.mu, go.micro or both")]
pub struct UnknownScheme;

/// The value of every label.
pub const LABEL_VALUE: &str = "service";

/// Bytes that a label's key may have behind its slash (apimachinery's
/// `qualifiedNameMaxLength`).
const LIMIT: usize = 63;

/// A service's name as it stands in keys: go-micro's `serviceName`, which goes by bytes.
pub fn mapped(service: &str) -> String {
    let kept = |byte: u8| byte.is_ascii_alphanumeric() || b"-_.".contains(&byte);
    let map = |byte| if kept(byte) { char::from(byte) } else { '_' };
    service.bytes().map(map).collect()
}

// === impl Scheme ===

impl Scheme {
    /// Every scheme.
    pub const ALL: [Self; 2] = [Self::MicroMu, Self::GoMicro];

    /// The keys of a service.
    ///
    /// # Errors
    ///
    /// A name whose keys Kubernetes would answer with 422.
    pub fn keys(self, service: &str) -> Result<Keys, UnmappableName> {
        let name = mapped(service);
        let selector_label = format!("{}{name}", self.selector_prefix());
        let annotation = format!("{}{name}", self.annotation_prefix());
        self.check(service, &selector_label)?;
        Ok(Keys {
            type_label: self.type_label(),
            selector_label,
            annotation,
        })
    }

    /// Refuses what the API server would. The annotation is never the tighter of the two:
    /// it ends alike, and begins with a shorter prefix or the same.
    fn check(self, service: &str, key: &str) -> Result<(), UnmappableName> {
        let (service, key) = (service.to_owned(), key.to_owned());
        let name = key.rsplit('/').next().unwrap_or_default().as_bytes();
        let length = name.len();
        let is_edge = |byte: Option<&u8>| byte.is_some_and(u8::is_ascii_alphanumeric);
        if length > LIMIT {
            let (_, before) = self.selector_prefix().split_once('/').unwrap_or_default();
            let longest = LIMIT - before.len();
            return Err(UnmappableName::TooLong {
                service,
                key,
                length,
                longest,
            });
        }
        if !is_edge(name.first()) || !is_edge(name.last()) {
            return Err(UnmappableName::Edge {
                service,
                key,
                length,
            });
        }
        Ok(())
    }

    /// The label of every pod that has a service.
    pub fn type_label(self) -> &'static str {
        match self {
            Self::MicroMu => "micro.mu/type",
            Self::GoMicro => "micro",
        }
    }

    /// The mapped name of the service whose record this annotation holds.
    pub fn service_of_annotation(self, key: &str) -> Option<&str> {
        key.strip_prefix(self.annotation_prefix())
    }

    /// Whether an annotation holds a record.
    pub fn is_annotation(self, key: &str) -> bool {
        self.service_of_annotation(key).is_some()
    }

    /// Whether a label tells that the pod has some service.
    pub fn is_selector_label(self, key: &str) -> bool {
        key.starts_with(self.selector_prefix())
    }

    fn selector_prefix(self) -> &'static str {
        match self {
            Self::MicroMu => "micro.mu/selector-",
            Self::GoMicro => "go.micro/",
        }
    }

    fn annotation_prefix(self) -> &'static str {
        match self {
            Self::MicroMu => "micro.mu/service-",
            Self::GoMicro => "go.micro/",
        }
    }
}

impl fmt::Display for Scheme {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::MicroMu => "micro.mu",
            Self::GoMicro => "go.micro",
        })
    }
}

// === impl Schemes ===

impl Schemes {
    /// The schemes meant.
    pub fn schemes(self) -> &'static [Scheme] {
        match self {
            Self::MicroMu => &[Scheme::MicroMu],
            Self::GoMicro => &[Scheme::GoMicro],
            Self::Both => &Scheme::ALL,
        }
    }
}

impl FromStr for Schemes {
    type Err = UnknownScheme;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        match text {
            "micro.mu" => Ok(Self::MicroMu),
            "go.micro" => Ok(Self::GoMicro),
            "both" => Ok(Self::Both),
            _ => Err(UnknownScheme),
        }
    }
}

impl fmt::Display for Schemes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.schemes() {
            [only] => only.fmt(f),
            _ => f.write_str("both"),
        }
    }
}

#[cfg(test)]
mod tests;
