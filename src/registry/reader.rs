//! Reads from the registry: services by name, all services, and their changes.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use tracing::warn;

use crate::cluster::Cluster;
use crate::cluster::watch::{self, Collection};
use crate::registry::error::Error;
use crate::registry::pod::Pod;
use crate::registry::record::Service;
use crate::registry::scheme::{Keys, LABEL_VALUE, Scheme, Schemes, UnmappableName};
use crate::registry::snapshot::{Filter, PodRecords, SkippedAnnotation, merge};

/// The registry of one namespace.
///
/// ```no_run
/// use micro_health::registry::{Registry, Schemes};
///
/// # async fn example(client: kube::Client) -> Result<(), micro_health::registry::Error> {
/// let registry = Registry::new(client, "default", Schemes::MicroMu);
/// for service in registry.get_service("greeter").await? {
///     for node in service.nodes.iter().flatten() {
///         println!("{} {}", service.version, node.address);
///     }
/// }
/// # Ok(())
/// # }
/// ```
#[derive(Clone)]
pub struct Registry {
    client: kube::Client,
    namespace: Arc<str>,
    schemes: Schemes,
    include_not_ready: bool,
    skipped: Arc<AtomicU64>,
}

// === impl Registry ===

impl Registry {
    /// Makes a registry and sends no request. Its methods need the verb `list` on pods, and
    /// [`Registry::watch`] needs `watch` too.
    pub fn new(client: kube::Client, namespace: impl Into<String>, schemes: Schemes) -> Self {
        Self {
            client,
            namespace: namespace.into().into(),
            schemes,
            include_not_ready: false,
            skipped: Arc::default(),
        }
    }

    /// Returns the registry of a cluster's namespace, in the scheme `micro.mu`. Sends no request.
    pub fn of(cluster: &Cluster) -> Self {
        Self::new(cluster.client(), cluster.namespace(), Schemes::default())
    }

    /// Reads and writes these schemes instead.
    #[must_use]
    pub fn schemes(mut self, schemes: Schemes) -> Self {
        self.schemes = schemes;
        self
    }

    /// Sets whether pods that are not Ready count; by default they do not. Pods that are being
    /// deleted, and pods whose containers have ended, never count.
    #[must_use]
    pub fn include_not_ready(mut self, include_not_ready: bool) -> Self {
        self.include_not_ready = include_not_ready;
        self
    }

    /// Returns the namespace of the registry.
    pub fn namespace(&self) -> &str {
        &self.namespace
    }

    /// Returns the number of annotations that were skipped so far, because they are not records or
    /// belong to another service. Each was logged.
    pub fn skipped(&self) -> u64 {
        self.skipped.load(Ordering::Relaxed)
    }

    /// Returns every version of a service, each with all its nodes, sorted by version.
    ///
    /// # Errors
    ///
    /// [`Error::NotFound`] if no pod that counts has the service, [`Error::Name`] if no key can
    /// hold the name, and otherwise the API server's refusal.
    pub async fn get_service(&self, name: &str) -> Result<Vec<Service>, Error> {
        let mut listings = Vec::new();
        for (scheme, keys) in self.keys(name)? {
            let pods = self.pods(&selector(&keys.selector_label)).await?;
            let listing = |pod| PodRecords::of(pod, scheme, self.filter(Some(name)));
            listings.extend(pods.iter().map(listing));
        }
        self.report(listings.iter().flat_map(PodRecords::skipped));
        let services = merge(&listings);
        if services.is_empty() {
            return Err(Error::NotFound {
                service: name.to_owned(),
                namespace: self.namespace.to_string(),
                not_ready: listings.iter().filter(|it| it.is_hidden()).count(),
            });
        }
        Ok(services)
    }

    /// Returns every version of every service, sorted by name and version.
    ///
    /// # Errors
    ///
    /// [`Error::Forbidden`] or [`Error::Refused`]: the API server's refusal.
    pub async fn list_services(&self) -> Result<Vec<Service>, Error> {
        let mut listings = Vec::new();
        for scheme in self.schemes.schemes() {
            let pods = self.pods(&selector(scheme.type_label())).await?;
            let listing = |pod| PodRecords::of(pod, *scheme, self.filter(None));
            listings.extend(pods.iter().map(listing));
        }
        self.report(listings.iter().flat_map(PodRecords::skipped));
        Ok(merge(&listings))
    }

    /// Returns the label selector of the pods to watch, for each scheme.
    pub(super) fn selectors(
        &self,
        name: Option<&str>,
    ) -> Result<Vec<(Scheme, String)>, UnmappableName> {
        let Some(name) = name else {
            let of = |scheme: &Scheme| (*scheme, selector(scheme.type_label()));
            return Ok(self.schemes.schemes().iter().map(of).collect());
        };
        let of = |(scheme, keys): (Scheme, Keys)| (scheme, selector(&keys.selector_label));
        Ok(self.keys(name)?.into_iter().map(of).collect())
    }

    /// Returns the keys of a service, from each scheme that can hold its name.
    pub(super) fn keys(&self, name: &str) -> Result<Vec<(Scheme, Keys)>, UnmappableName> {
        let schemes = self.schemes.schemes().iter();
        let keys = schemes.map(|scheme| Ok((*scheme, scheme.keys(name)?)));
        let (keys, refused): (Vec<_>, Vec<_>) = keys.partition(Result::is_ok);
        if keys.is_empty() {
            refused.into_iter().collect()
        } else {
            keys.into_iter().collect()
        }
    }

    /// Returns the keys of a service in every scheme, because a write is for the clients of all.
    pub(super) fn all_keys(&self, name: &str) -> Result<Vec<(Scheme, Keys)>, UnmappableName> {
        let schemes = self.schemes.schemes().iter();
        let keys = schemes.map(|scheme| Ok((*scheme, scheme.keys(name)?)));
        keys.collect()
    }

    /// Returns the client that sends the requests.
    pub(crate) fn client(&self) -> &kube::Client {
        &self.client
    }

    pub(super) fn includes_not_ready(&self) -> bool {
        self.include_not_ready
    }

    /// Logs and counts annotations that were skipped.
    pub(super) fn report<'a>(&self, skipped: impl IntoIterator<Item = &'a SkippedAnnotation>) {
        for skipped in skipped {
            self.skipped.fetch_add(1, Ordering::Relaxed);
            warn!("Skipped an annotation that is not a valid record: {skipped}");
        }
    }

    fn filter<'a>(&self, name: Option<&'a str>) -> Filter<'a> {
        Filter {
            name,
            include_not_ready: self.include_not_ready,
        }
    }

    async fn pods(&self, selector: &str) -> Result<Vec<Pod>, Error> {
        let pods = Collection::of::<Pod>(&self.namespace).labels(selector);
        let pods = watch::list(&self.client, &pods).await;
        pods.map_err(|refusal| Error::of(refusal, &self.namespace))
    }
}

impl std::fmt::Debug for Registry {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Registry")
            .field("namespace", &self.namespace)
            .field("schemes", &self.schemes)
            .field("include_not_ready", &self.include_not_ready)
            .finish_non_exhaustive()
    }
}

/// Returns the selector of pods that have this label.
fn selector(label: &str) -> String {
    format!("{label}={LABEL_VALUE}")
}
