//! The names of the labels and annotations of a registration.
//!
//! | scheme     | type label              | selector label                   | annotation                |
//! |------------|-------------------------|----------------------------------|---------------------------|
//! | `micro.mu` | `micro.mu/type=service` | `micro.mu/selector-NAME=service` | `micro.mu/service-NAME`   |
//! | `go.micro` | `micro=service`         | `go.micro/NAME=service`          | `go.micro/NAME`           |
//!
//! `micro.mu` is the scheme of every go-plugins release since May 2016 and of every plugin of
//! go-micro v3 to v5. `go.micro` is that of the core of go-micro v2.0.0 to v2.4.0, and of mqant.
//!
//! NAME is the service's name with every byte outside `[-A-Za-z0-9_.]` replaced by `_`. Clients
//! compute the key in this way too. A name whose key Kubernetes does not accept is therefore
//! refused, because no client could find it.

use std::fmt;
use std::str::FromStr;

/// The names that one generation of go-micro uses.
#[derive(Clone, Copy, Debug, Eq, Ord, PartialEq, PartialOrd)]
pub enum Scheme {
    /// The scheme of go-plugins, and of the plugins of go-micro v3 to v5.
    MicroMu,
    /// The scheme of the core of go-micro v2.0.0 to v2.4.0.
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
    /// [`Scheme::MicroMu`] and [`Scheme::GoMicro`], for as long as clients of both generations
    /// exist.
    Both,
}

/// The keys of one service in one scheme. The value of both labels is [`LABEL_VALUE`].
#[derive(Clone, Debug, Eq, PartialEq)]
pub(crate) struct Keys {
    /// The label of every pod that has a service.
    pub type_label: &'static str,
    /// The label of every pod that has this service.
    pub selector_label: String,
    /// The annotation that holds the record.
    pub annotation: String,
}

/// A service name whose keys Kubernetes does not accept.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum UnmappableName {
    /// The part of the key after its slash is too long.
    #[error(
        "the service name {service:?} becomes the label {key:?}, which has {length} bytes after the slash where Kubernetes allows {LIMIT}; shorten the name to {longest} bytes"
    )]
    TooLong {
        /// The service name.
        service: String,
        /// The label key that the name maps to.
        key: String,
        /// The length of the part after the slash, in bytes.
        length: usize,
        /// The longest name that this scheme allows, in bytes.
        longest: usize,
    },

    /// The part of the key after its slash must begin and end with a letter or a digit.
    #[error(
        "the service name {service:?} becomes the label {key:?}, which has {length} bytes after the slash where Kubernetes allows {LIMIT}; they must begin and end with a letter or a digit"
    )]
    Edge {
        /// The service name.
        service: String,
        /// The label key that the name maps to.
        key: String,
        /// The length of the part after the slash, in bytes.
        length: usize,
    },
}

/// The error for a text that is not a value of `--register_scheme`.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
#[error("expected micro.mu, go.micro or both")]
pub struct UnknownScheme;

/// The value of every label.
pub(crate) const LABEL_VALUE: &str = "service";

/// The longest part after the slash of a label key, in bytes (apimachinery's
/// `qualifiedNameMaxLength`).
const LIMIT: usize = 63;

/// Returns a service's name as it stands in keys. Works on bytes, as go-micro's `serviceName` does.
pub(crate) fn mapped(service: &str) -> String {
    let kept = |byte: u8| byte.is_ascii_alphanumeric() || b"-_.".contains(&byte);
    let map = |byte| if kept(byte) { char::from(byte) } else { '_' };
    service.bytes().map(map).collect()
}

// === impl Scheme ===

impl Scheme {
    /// The list of all schemes.
    pub const ALL: [Self; 2] = [Self::MicroMu, Self::GoMicro];

    /// Returns the keys of a service.
    ///
    /// # Errors
    ///
    /// [`UnmappableName`] for a name whose keys Kubernetes would refuse with 422.
    pub(crate) fn keys(self, service: &str) -> Result<Keys, UnmappableName> {
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

    /// Refuses a key that the API server would refuse. The selector label decides for the
    /// annotation too: both end alike, and the annotation's prefix is not longer.
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

    /// Returns the label of every pod that has a service.
    pub fn type_label(self) -> &'static str {
        match self {
            Self::MicroMu => "micro.mu/type",
            Self::GoMicro => "micro",
        }
    }

    /// Returns the mapped name of the service whose record this annotation holds. Returns `None`
    /// for any other annotation.
    pub(crate) fn service_of_annotation(self, key: &str) -> Option<&str> {
        key.strip_prefix(self.annotation_prefix())
    }

    /// Returns whether an annotation holds a record.
    pub(crate) fn is_annotation(self, key: &str) -> bool {
        self.service_of_annotation(key).is_some()
    }

    /// Returns whether a label marks pods that have one certain service.
    pub(crate) fn is_selector_label(self, key: &str) -> bool {
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
    /// Returns the schemes to read and write.
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
