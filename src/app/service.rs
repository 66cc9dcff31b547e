//! Targets that are a whole Service, not the pod's own container.

use super::args::Args;
use super::environment::Environment;
use crate::check::options::Options;
use crate::check::selector::Selector;
use crate::check::server_address::ServerAddress;
use crate::check::target::Settings;
use crate::net::endpoint::Endpoint;

/// Returns whether the target is a Service, and not the pod's own container.
pub(super) fn is_service(target: &Options) -> bool {
    match &target.server_address {
        ServerAddress::Endpoint(Endpoint::Tcp(address)) => {
            target.selector == Selector::Static && address.dial_addresses().is_none()
        }
        ServerAddress::Endpoint(Endpoint::Unix(_)) => false,
        #[cfg(feature = "kubernetes")]
        ServerAddress::Service(_) => true,
    }
}

/// Gives the settings a source of endpoints if a target is a Service.
///
/// # Errors
///
/// Fails if no API server can be used.
#[cfg(feature = "kubernetes")]
pub(super) async fn with_resolver(
    settings: Settings,
    args: &Args,
    environment: &Environment,
) -> anyhow::Result<Settings> {
    use anyhow::Context as _;

    use crate::cluster::Cluster;
    use crate::resolver::Resolver;

    let named = args.targets.targets.iter().map(|named| &named.address);
    let addresses = std::iter::once(&args.target.server_address).chain(named);
    let mut services = addresses.filter(|address| matches!(address, ServerAddress::Service(_)));
    let Some(service) = services.next() else {
        return Ok(settings);
    };
    let variable = |name: &str| environment.get(name);
    let cluster = Cluster::new(&args.registry.cluster, variable).await;
    let cluster = cluster.with_context(|| format!("cannot find the endpoints of {service}"))?;
    Ok(Settings {
        resolver: Some(Resolver::of(&cluster)),
        ..settings
    })
}

/// Returns the settings as they are: in this build no target is a Service.
///
/// # Errors
///
/// Never fails.
#[cfg(not(feature = "kubernetes"))]
#[expect(clippy::unused_async, reason = "the signature of the other build")]
pub(super) async fn with_resolver(
    settings: Settings,
    _: &Args,
    _: &Environment,
) -> anyhow::Result<Settings> {
    Ok(settings)
}
