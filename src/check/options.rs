//! The flags for the service to check, and for the way to check it.

use std::str::FromStr;
use std::time::Duration;

use http::HeaderValue;
use http::uri::Authority;

use super::metadata::{self, Metadata};
use super::server_address::ServerAddress;
use crate::check::selector::Selector;
use crate::flags::duration::{self, GoDuration};
use crate::net::tls;

/// The service to check, and the way to check it.
#[derive(Clone, Debug, clap::Args)]
#[group(skip)]
#[command(next_help_heading = "The service")]
pub struct Options {
    /// The service's go-micro name, such as greeter or go.micro.srv.greeter
    #[arg(long = "server_name", value_name = "NAME")]
    pub server_name: ServerName,

    /// The address the service listens on, such as localhost:9091, or unix: and the path of a
    /// socket; for a wildcard, loopback is dialled. `kubernetes:///SERVICE.NAMESPACE:PORT` checks
    /// every endpoint of a Service: for workloads that depend on it, not for the probes of its own
    /// pods
    #[arg(long = "server_address", value_name = "HOST:PORT")]
    pub server_address: ServerAddress,

    /// With static and without `--server_address`, the service's name is the address: with the
    /// domain of `STATIC_SELECTOR_DOMAIN_NAME`, and the port of `STATIC_SELECTOR_PORT_NUMBER` or
    /// 8080. go-micro's other selectors change nothing
    #[arg(
        long = "selector",
        value_name = "SELECTOR",
        default_value = "none",
        hide_default_value = true
    )]
    pub selector: Selector,

    /// The protocol the service speaks; auto detects and remembers it
    #[arg(
        long = "protocol",
        alias = "client",
        value_name = "PROTOCOL",
        default_value = "auto"
    )]
    pub protocol: Protocol,

    /// The time for one whole check: resolve, connect, call, retry. Keep it below the probe's
    /// timeoutSeconds (1 s by default), otherwise the reason for a failure is lost
    #[arg(
        long = "check_timeout",
        alias = "client_request_timeout",
        value_name = "DURATION",
        default_value_t = CHECK_TIMEOUT,
        value_parser = duration::above_zero
    )]
    pub check_timeout: GoDuration,

    /// The verdict on a service that is up but does not serve Debug.Health, which go-micro 4.8 and
    /// later do not register by themselves
    #[arg(
        long = "without_debug",
        value_name = "VERDICT",
        default_value = "unhealthy"
    )]
    pub without_debug: WithoutDebug,

    /// The service name to ask grpc.health.v1 for [default: `--server_name`, and if that is
    /// unknown, the server as a whole]
    #[arg(long = "health_service", value_name = "NAME")]
    pub health_service: Option<String>,

    /// A header to send with each check, such as authorization=token. May be repeated
    #[arg(long = "metadata", value_name = "NAME=VALUE")]
    pub metadata: Vec<Metadata>,

    /// The host to send as the HTTP authority [default: the address of the service]
    #[arg(long = "authority", value_name = "HOST", value_parser = metadata::authority)]
    pub authority: Option<Authority>,

    /// The user agent of requests [default: micro-health and its version]
    #[arg(long = "user_agent", value_name = "TEXT", value_parser = metadata::user_agent)]
    pub user_agent: Option<HeaderValue>,

    #[cfg(feature = "kubernetes")]
    #[command(flatten)]
    pub endpoints: crate::check::policy::Options,

    #[command(flatten)]
    pub tls: tls::options::Options,
}

/// The default of `--check_timeout`, below the kubelet's default timeout of one second.
const CHECK_TIMEOUT: GoDuration = GoDuration(Duration::from_millis(900));

/// The value of `--server_name`: one line of text.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct ServerName(pub String);

/// The protocol that a target speaks.
#[derive(Clone, Copy, Debug, Eq, PartialEq, clap::ValueEnum)]
pub enum Protocol {
    /// The protocol is to be detected.
    Auto,
    /// `Debug.Health` over gRPC.
    Grpc,
    /// `Debug.Health` over go-micro's own HTTP/1.1 protocol; go-micro also says rpc.
    #[value(alias = "rpc")]
    Mucp,
    /// The standard `grpc.health.v1`.
    GrpcHealth,
}

/// The verdict on a service without Debug.
#[derive(Clone, Copy, Debug, Eq, PartialEq, clap::ValueEnum)]
pub enum WithoutDebug {
    /// The service is not known to be healthy.
    Unhealthy,
    /// The service is alive, because it answered.
    Healthy,
}

/// The reason why a text is not a [`ServerName`].
#[derive(Clone, Copy, Debug, Eq, PartialEq, thiserror::Error)]
pub enum InvalidServerName {
    /// The text is empty.
    #[error("empty; expected the service's go-micro name, such as greeter")]
    Empty,
    /// The name would break a header, a label or a line of the log.
    #[error("a line break or another control character in the name; expected one such as greeter")]
    Control,
}

// === impl Options ===

impl Options {
    /// Creates options with every other flag at its default.
    pub fn new(server_name: ServerName, server_address: ServerAddress) -> Self {
        Self {
            server_name,
            server_address,
            selector: Selector::None,
            protocol: Protocol::Auto,
            check_timeout: CHECK_TIMEOUT,
            without_debug: WithoutDebug::Unhealthy,
            health_service: None,
            metadata: Vec::new(),
            authority: None,
            user_agent: None,
            #[cfg(feature = "kubernetes")]
            endpoints: crate::check::policy::Options::default(),
            tls: tls::options::Options::default(),
        }
    }
}

// === impl ServerName ===

impl FromStr for ServerName {
    type Err = InvalidServerName;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        if text.is_empty() {
            Err(InvalidServerName::Empty)
        } else if text.contains(char::is_control) {
            Err(InvalidServerName::Control)
        } else {
            Ok(Self(text.to_owned()))
        }
    }
}

// === impl Protocol ===

impl Protocol {
    /// Returns the flag's value.
    pub fn name(self) -> &'static str {
        match self {
            Self::Auto => "auto",
            Self::Grpc => "grpc",
            Self::Mucp => "mucp",
            Self::GrpcHealth => "grpc-health",
        }
    }
}
