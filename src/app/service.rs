//! Targets that are a whole Service, not the pod's own container.

#[cfg(feature = "kubernetes")]
use anyhow::Context as _;

#[cfg(feature = "kubernetes")]
use crate::args::Args;
#[cfg(feature = "kubernetes")]
use crate::args::env::Environment;
#[cfg(feature = "kubernetes")]
use crate::cluster::Cluster;
#[cfg(feature = "kubernetes")]
use crate::resolver::Resolver;
use crate::selector::Selector;
use crate::target::endpoint::Endpoint;
use crate::target::options::Options;
#[cfg(feature = "kubernetes")]
use crate::targets::Targets;

/// Whether it is a Service that is asked, and not the pod's own container.
pub(super) fn asks_replicas(target: &Options) -> bool {
    match &target.server_address {
        Endpoint::Tcp(address) => {
            target.selector == Selector::Static && address.dialled().is_none()
        }
        Endpoint::Unix(_) => false,
        #[cfg(feature = "kubernetes")]
        Endpoint::Service(_) => true,
    }
}

/// Gives the targets that are Services their endpoints.
#[cfg(feature = "kubernetes")]
pub(super) async fn resolve(
    args: &Args,
    targets: &Targets,
    environment: &Environment,
) -> anyhow::Result<()> {
    let Some(service) = targets.service() else {
        return Ok(());
    };
    let variable = |name: &str| environment.get(name);
    let cluster = Cluster::new(&args.registry.cluster, variable).await;
    let cluster = cluster.with_context(|| format!("cannot find the endpoints of {service}"))?;
    targets.resolve(&Resolver::of(&cluster));
    Ok(())
}
