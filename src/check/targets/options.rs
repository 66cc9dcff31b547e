//! The flags that only a sidecar has for its targets: more of them, and a cache.

use std::str::FromStr;

use crate::check::options::ServerName;
use crate::check::server_address::{InvalidServerAddress, ServerAddress};
use crate::flags::duration::GoDuration;

/// The most targets, so that a probe of all is a bounded number of checks at once.
pub(crate) const LIMIT: usize = 64;

/// The additional targets, and the age of their verdicts.
#[derive(Clone, Debug, clap::Args)]
#[group(skip)]
#[command(next_help_heading = "The services")]
pub struct Options {
    /// One more service of the pod to check: /health/NAME answers for it, /health for all of them.
    /// May be repeated
    #[arg(long = "target", value_name = "NAME=HOST:PORT")]
    pub targets: Vec<NamedTarget>,

    /// Answer with a verdict of at most this age. Keep it below the probe's period, otherwise
    /// probes see no new verdict
    #[arg(long = "cache", value_name = "DURATION", default_value = "0s")]
    pub cache: GoDuration,
}

/// The value of `--target`.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct NamedTarget {
    /// The name in `/health/NAME`.
    pub name: ServerName,
    /// The address on which the service listens.
    pub address: ServerAddress,
}

/// The reason why a text is not a [`NamedTarget`].
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
pub enum InvalidNamedTarget {
    /// No equals sign was found, or no name before it.
    #[error("expected NAME=HOST:PORT such as payments=localhost:9092")]
    Syntax,
    /// A name that cannot stand in a path as it is.
    #[error("the name {0:?} has characters other than letters, digits, '.', '_' and '-'")]
    Name(String),
    /// A name that has another meaning.
    #[error("the name {0:?} is reserved")]
    Reserved(String),
    /// The address behind the equals sign is invalid.
    #[error(transparent)]
    Address(#[from] InvalidServerAddress),
}

// === impl NamedTarget ===

impl FromStr for NamedTarget {
    type Err = InvalidNamedTarget;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let (name, address) = text.split_once('=').ok_or(InvalidNamedTarget::Syntax)?;
        if name.is_empty() {
            return Err(InvalidNamedTarget::Syntax);
        }
        let fits = |byte: u8| byte.is_ascii_alphanumeric() || b"._-".contains(&byte);
        if !name.bytes().all(fits) {
            return Err(InvalidNamedTarget::Name(name.to_owned()));
        }
        if ["live", "ready"].contains(&name) {
            return Err(InvalidNamedTarget::Reserved(name.to_owned()));
        }
        let (name, address) = (ServerName(name.to_owned()), address.parse()?);
        Ok(Self { name, address })
    }
}

// === impl Options ===

impl Options {
    /// Checks that each target has its own name and that there are not too many.
    ///
    /// # Errors
    ///
    /// Returns the sentence for the operator.
    pub fn validate(&self, main: &ServerName) -> Result<(), String> {
        let mut names = vec![main];
        for NamedTarget { name, .. } in &self.targets {
            if names.contains(&name) {
                return Err(format!(
                    "--target: the name {:?} is used twice; each target needs its own",
                    name.0
                ));
            }
            names.push(name);
        }
        if names.len() > LIMIT {
            return Err(format!(
                "--target: {} targets are too many; the limit is {LIMIT}",
                names.len()
            ));
        }
        Ok(())
    }
}
