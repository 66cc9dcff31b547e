//! The flags of the HTTP server.

use crate::net::address::Address;

/// How to be probed.
#[derive(Clone, Debug, clap::Args)]
#[group(skip)]
#[command(next_help_heading = "The probes")]
pub struct Options {
    /// Where to answer probes; a wildcard listens on IPv4 and IPv6, and in a pod the
    /// kubelet cannot reach loopback
    #[arg(
        long = "health_address",
        value_name = "HOST:PORT",
        default_value = "127.0.0.1:8080"
    )]
    pub health_address: Address,

    /// What /healthz tells of a service that answers and is not well: 503 (serving) or
    /// 200 (answers), for a liveness probe that must not kill a draining service
    #[arg(long = "liveness", value_name = "WHAT", default_value = "serving")]
    pub liveness: Liveness,

    /// Put the target's own error text into bodies too, not only its enumerated code
    #[arg(long = "expose_errors")]
    pub expose_errors: bool,
}

/// What counts as alive.
#[derive(Clone, Copy, Debug, Eq, PartialEq, clap::ValueEnum)]
pub enum Liveness {
    /// Only a healthy service.
    Serving,
    /// Any service that answers.
    Answers,
}
