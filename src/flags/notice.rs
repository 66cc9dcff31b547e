//! The messages about flags and variables that change nothing.

use std::fmt;

/// A flag or a variable that changes nothing, or a derived value that is probably wrong.
#[derive(Clone, Debug, Eq, PartialEq)]
#[non_exhaustive]
pub enum Notice {
    /// A go-micro flag without meaning for a sidecar.
    IgnoredFlag(String),
    /// A go-micro variable without meaning for a sidecar.
    IgnoredVariable(&'static str),
    /// A variable shared with the service whose value is of no use here.
    BadVariable {
        /// The name of the variable.
        name: String,
        /// The reason; never the value, which may hold a secret.
        why: String,
    },
    /// The static selector's address of a service whose name has dots.
    DottedName(String),
}

// === impl Notice ===

impl Notice {
    /// Logs the notice, as a warning only if the operator may want to change something.
    pub fn log(&self) {
        match self {
            Self::BadVariable { .. } | Self::DottedName(_) => tracing::warn!("{self}"),
            Self::IgnoredFlag(_) | Self::IgnoredVariable(_) => tracing::debug!("{self}"),
        }
    }
}

impl fmt::Display for Notice {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::IgnoredFlag(name) => {
                write!(f, "Ignoring --{name}: it has no meaning for a sidecar")
            }
            Self::IgnoredVariable(name) => {
                write!(f, "Ignoring {name}: it has no meaning for a sidecar")
            }
            Self::BadVariable { name, why } => write!(f, "Ignoring {name}: {why}"),
            Self::DottedName(address) => write!(
                f,
                "--selector=static derives {address:?} from the service's name, but a Service's name has no dots; set --server_address"
            ),
        }
    }
}
