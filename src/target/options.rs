//! The flags that say whom to check and how.

use std::str::FromStr;

use super::address::{self, Address, InvalidAddress};
use crate::args::duration::{self, GoDuration};
use crate::targets::LIMIT;

/// Whom to check and how.
#[derive(Clone, Debug, clap::Args)]
#[group(skip)]
#[command(next_help_heading = "The service")]
pub struct Options {
    /// The service's go-micro name, such as greeter or go.micro.srv.greeter
    #[arg(long = "server_name", value_name = "NAME")]
    pub server_name: ServerName,

    /// Where the service listens, such as localhost:9091; wildcards dial loopback
    #[arg(long = "server_address", value_name = "HOST:PORT", value_parser = address::to_dial)]
    pub server_address: Address,

    /// One more service of the pod, answered at /health/NAME; /health is all of them.
    /// May be repeated
    #[arg(long = "target", value_name = "NAME=HOST:PORT")]
    pub targets: Vec<Named>,

    /// What the service speaks; auto finds out and remembers
    #[arg(
        long = "protocol",
        alias = "client",
        value_name = "PROTOCOL",
        default_value = "auto"
    )]
    pub protocol: Protocol,

    /// Time for one check in all: resolve, connect, ask, retry. Keep it below the
    /// probe's timeoutSeconds (1 s by default), or the reason for a failure is lost
    #[arg(
        long = "check_timeout",
        alias = "client_request_timeout",
        value_name = "DURATION",
        default_value = "900ms",
        value_parser = duration::above_zero
    )]
    pub check_timeout: GoDuration,

    /// Answer from a verdict at most this old. Keep it below the probe's period, or
    /// probes see nothing new
    #[arg(long = "cache", value_name = "DURATION", default_value = "0s")]
    pub cache: GoDuration,

    /// What a service counts as that is up but does not serve Debug.Health, as
    /// go-micro 4.8 and later do not by themselves
    #[arg(
        long = "without_debug",
        value_name = "VERDICT",
        default_value = "unhealthy"
    )]
    pub without_debug: WithoutDebug,

    /// The name that grpc.health.v1 is asked for [default: the
    /// service's own, and if that is unknown the server as a whole]
    #[arg(long = "health_service", value_name = "NAME")]
    pub health_service: Option<String>,
}

/// The value of `--server_name`: any text but none.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct ServerName(pub String);

/// The value of `--target`.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Named {
    /// What stands in `/health/NAME`.
    pub name: ServerName,
    /// Where that service listens.
    pub address: Address,
}

/// What a target speaks.
#[derive(Clone, Copy, Debug, Eq, PartialEq, clap::ValueEnum)]
pub enum Protocol {
    /// Find out.
    Auto,
    /// `Debug.Health` over gRPC.
    Grpc,
    /// `Debug.Health` over go-micro's own HTTP/1.1 protocol; go-micro also says rpc.
    #[value(alias = "rpc")]
    Mucp,
    /// The standard `grpc.health.v1`.
    GrpcHealth,
}

/// What a service without Debug counts as.
#[derive(Clone, Copy, Debug, Eq, PartialEq, clap::ValueEnum)]
pub enum WithoutDebug {
    /// Not known to be well.
    Unhealthy,
    /// Alive, because it answered.
    Healthy,
}

/// Why a text is not a [`Named`].
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
pub enum InvalidNamed {
    /// No equals sign, or nothing before it.
    #[error("expected NAME=HOST:PORT such as payments=localhost:9092")]
    Syntax,
    /// A name that does not stand in a path as it is.
    #[error("the name {0:?} has other characters than letters, digits, '.', '_' and '-'")]
    Name(String),
    /// A name that means something else.
    #[error("the name {0:?} is reserved")]
    Reserved(String),
    /// What stands behind the equals sign.
    #[error(transparent)]
    Address(#[from] InvalidAddress),
}

/// A service without a name.
#[derive(Clone, Copy, Debug, Eq, PartialEq, thiserror::Error)]
#[error("empty; expected the service's go-micro name, such as greeter")]
pub struct NoName;

// === impl ServerName ===

impl FromStr for ServerName {
    type Err = NoName;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        if text.is_empty() {
            Err(NoName)
        } else {
            Ok(Self(text.to_owned()))
        }
    }
}

// === impl Named ===

impl FromStr for Named {
    type Err = InvalidNamed;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let (name, address) = text.split_once('=').ok_or(InvalidNamed::Syntax)?;
        if name.is_empty() {
            return Err(InvalidNamed::Syntax);
        }
        let fits = |byte: u8| byte.is_ascii_alphanumeric() || b"._-".contains(&byte);
        if !name.bytes().all(fits) {
            return Err(InvalidNamed::Name(name.to_owned()));
        }
        if ["live", "ready"].contains(&name) {
            return Err(InvalidNamed::Reserved(name.to_owned()));
        }
        let (name, address) = (ServerName(name.to_owned()), address::to_dial(address)?);
        Ok(Self { name, address })
    }
}

// === impl Options ===

impl Options {
    /// What no single flag can know: every name is one target's.
    ///
    /// # Errors
    ///
    /// The sentence for the operator.
    pub fn validate(&self) -> Result<(), String> {
        let mut names = vec![&self.server_name];
        for Named { name, .. } in &self.targets {
            if names.contains(&name) {
                return Err(format!(
                    "--target: the name {:?} is taken; each target has its own",
                    name.0
                ));
            }
            names.push(name);
        }
        if names.len() > LIMIT {
            return Err(format!(
                "--target: {} targets; at most {LIMIT} are checked",
                names.len()
            ));
        }
        Ok(())
    }
}

// === impl Protocol ===

impl Protocol {
    /// The flag's value.
    pub fn name(self) -> &'static str {
        match self {
            Self::Auto => "auto",
            Self::Grpc => "grpc",
            Self::Mucp => "mucp",
            Self::GrpcHealth => "grpc-health",
        }
    }
}
