//! The flags of the HTTP server.

use crate::net::address::Address;

/// The flags that say how to answer probes.
#[derive(Clone, Debug, clap::Args)]
#[group(skip)]
#[command(next_help_heading = "The probes")]
pub struct Options {
    /// The address on which to answer probes; a wildcard listens on IPv4 and IPv6, and the kubelet
    /// cannot reach loopback in a pod
    #[arg(
        long = "health_address",
        value_name = "HOST:PORT",
        default_value = "127.0.0.1:8080"
    )]
    pub health_address: Address,

    /// The /healthz status of a service that answers and is not healthy: 503 (serving) or 200
    /// (answers), for a liveness probe that must not kill a draining service
    #[arg(long = "liveness", value_name = "MODE", default_value = "serving")]
    pub liveness: Liveness,

    /// Put the target's own error text into response bodies too, not only the reason code
    #[arg(long = "expose_errors")]
    pub expose_errors: bool,
}

/// The services that count as alive.
#[derive(Clone, Copy, Debug, Eq, PartialEq, clap::ValueEnum)]
pub enum Liveness {
    /// A healthy service.
    Serving,
    /// Every service that answers, healthy or not.
    Answers,
}
