//! go-micro's own flags and variables that a sidecar does not use.
//!
//! Deployments pass the same flags and the same `envFrom` to both containers, so the sidecar
//! accepts the flags of go-micro's `cmd` package.
//! Source: go-micro cmd/cmd.go, v1.0 to v6.

use std::ffi::OsString;

use crate::check::options::{Protocol, ServerName};
use crate::check::selector;
use crate::flags::notice::Notice;
use crate::flags::{DerivedFlag, SharedFlags, Variables};
use crate::net::endpoint::Endpoint;

/// The flags of go-micro that the sidecar reads, even if only to refuse a value.
#[derive(Clone, Debug, clap::Args)]
#[group(skip)]
#[command(next_help_heading = "go-micro's own flags, accepted and ignored")]
pub struct Options {
    /// The service's own --server: the wire that --protocol=auto tries first
    #[arg(long = "server", value_name = "SERVER", hide = true)]
    pub server: Option<String>,

    /// The service's transport: only http can be checked
    #[arg(long = "transport", value_name = "TRANSPORT", hide = true, value_parser = only_http)]
    pub transport: Option<String>,

    /// The service's registry: this build has none
    #[cfg(not(feature = "kubernetes"))]
    #[arg(long = "registry", value_name = "REGISTRY", hide = true, value_parser = no_registry)]
    pub registry: Option<String>,
}

/// The flags and variables of go-micro, for every command of this program.
pub(crate) const SHARED: SharedFlags = SharedFlags {
    ignored: &IGNORED,
    unread: &MENTIONED,
    check,
    derive,
};

/// Flags that are accepted with any value, because they have no meaning for a sidecar.
const IGNORED: [&str; 37] = [
    "auth",
    "auth_address",
    "auth_id",
    "auth_namespace",
    "auth_private_key",
    "auth_public_key",
    "auth_secret",
    "auth_provider",
    "auth_provider_address",
    "broker",
    "broker_address",
    "client_pool_size",
    "client_pool_ttl",
    "client_retries",
    "config",
    "debug_profile",
    "namespace",
    "profile",
    "proxy_address",
    "register_interval",
    "register_ttl",
    "registry",
    "registry_address",
    "runtime",
    "runtime_source",
    "selector",
    "server_advertise",
    "server_id",
    "server_metadata",
    "server_version",
    "store",
    "store_address",
    "store_database",
    "store_table",
    "tracer",
    "tracer_address",
    "transport_address",
];

/// Variables of go-micro that a user might expect to have an effect.
const MENTIONED: [&str; 4] = [
    "MICRO_REGISTRY",
    "MICRO_TRANSPORT",
    "MICRO_SELECTOR",
    "MICRO_CLIENT_REQUEST_TIMEOUT",
];

/// Refuses transports such as grpc, because a service on them cannot be reached over HTTP.
fn only_http(text: &str) -> Result<String, &'static str> {
    match text {
        "" | "http" => Ok(text.to_owned()),
        _ => Err("a service on this transport cannot be checked over HTTP or gRPC; expected http"),
    }
}

/// Refuses `kubernetes`, because the slim build has no registry.
#[cfg(not(feature = "kubernetes"))]
fn no_registry(text: &str) -> Result<String, &'static str> {
    match text {
        "kubernetes" => Err(
            "this build has no registry: use one with the feature kubernetes, or the image's tag full",
        ),
        _ => Ok(text.to_owned()),
    }
}

/// Validates the value of a variable that the service's container may have too.
fn check(flag: &str, value: &str) -> Result<(), String> {
    #[cfg(feature = "kubernetes")]
    crate::registration::options::check(flag, value)?;
    match flag {
        "server_name" => value
            .parse::<ServerName>()
            .map(drop)
            .map_err(|why| why.to_string()),
        "server_address" => value
            .parse::<Endpoint>()
            .map(drop)
            .map_err(|why| why.to_string()),
        _ => Ok(()),
    }
}

/// Derives `--server_address` if the static selector is chosen.
fn derive(argv: &[OsString], variable: Variables<'_>) -> Option<DerivedFlag> {
    let selected = selector::select(argv, variable)?;
    let notice = selected
        .has_dots
        .then(|| Notice::DottedName(selected.address.clone()));
    Some(DerivedFlag {
        flag: "server_address",
        value: selected.address,
        variables: selected.variables,
        notice,
    })
}

/// Returns the protocol that the service was probably started with: `--server`, then
/// `MICRO_SERVER`, then `MICRO_CLIENT`. It only orders auto-detection.
pub(crate) fn hint(
    server: Option<&str>,
    variable: impl Fn(&str) -> Option<OsString>,
) -> Option<Protocol> {
    let protocol = |name: &str| match name {
        "grpc" => Some(Protocol::Grpc),
        "rpc" | "mucp" => Some(Protocol::Mucp),
        _ => None,
    };
    let named = |name: &str| variable(name).and_then(|value| protocol(value.to_str()?));
    server
        .and_then(protocol)
        .or_else(|| named("MICRO_SERVER"))
        .or_else(|| named("MICRO_CLIENT"))
}
