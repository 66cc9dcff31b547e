//! Reading the registry: services by name, all services, and what changes.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use kube::Api;
use kube::api::ListParams;
use tracing::warn;

use crate::cluster::{Cluster, Refusal};
use crate::registry::error::Error;
use crate::registry::pod::Pod;
use crate::registry::record::Service;
use crate::registry::scheme::{Keys, LABEL_VALUE, Scheme, Schemes, UnmappableName};
use crate::registry::snapshot::{Filter, Listing, Skipped, merge};

/// The registry of one namespace.
///
/// ```no_run
/// use micro_health::registry::reader::Registry;
/// use micro_health::registry::scheme::Schemes;
///
/// # async fn example(client: kube::Client) -> Result<(), micro_health::registry::error::Error> {
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

/// Pods of one answer; the rest comes with the next.
const PAGE: u32 = 500;

/// The status of a page whose list has changed too much since the first.
const GONE: u16 = 410;

// === impl Registry ===

impl Registry {
    /// Asks nothing yet. Needs `list` on pods, and `watch` for [`Registry::watch`].
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

    /// Whether to hear pods that are not Ready; those that are about to go, or whose
    /// containers have ended, are never heard.
    #[must_use]
    pub fn include_not_ready(mut self, include_not_ready: bool) -> Self {
        self.include_not_ready = include_not_ready;
        self
    }

    /// The namespace.
    pub fn namespace(&self) -> &str {
        &self.namespace
    }

    /// How many annotations were skipped so far because they are no records, or those of
    /// another service. Each was logged.
    pub fn skipped(&self) -> u64 {
        self.skipped.load(Ordering::Relaxed)
    }

    /// Every version of a service, each with all its nodes.
    ///
    /// # Errors
    ///
    /// [`Error::NotFound`] if no pod that is heard has it; the API server's refusal.
    pub async fn get_service(&self, name: &str) -> Result<Vec<Service>, Error> {
        let mut listings = Vec::new();
        for (scheme, keys) in self.keys(name)? {
            let pods = self.pods(&selector(&keys.selector_label)).await?;
            let listing = |pod| Listing::of(pod, scheme, self.filter(Some(name)));
            listings.extend(pods.iter().map(listing));
        }
        self.report(listings.iter().flat_map(Listing::skipped));
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

    /// Every version of every service.
    ///
    /// # Errors
    ///
    /// The API server's refusal.
    pub async fn list_services(&self) -> Result<Vec<Service>, Error> {
        let mut listings = Vec::new();
        for scheme in self.schemes.schemes() {
            let pods = self.pods(&selector(scheme.type_label())).await?;
            let listing = |pod| Listing::of(pod, *scheme, self.filter(None));
            listings.extend(pods.iter().map(listing));
        }
        self.report(listings.iter().flat_map(Listing::skipped));
        Ok(merge(&listings))
    }

    /// What selects the pods to watch, in each scheme.
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

    /// The keys of a service in the schemes that can have it.
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

    /// The keys of a service in every scheme: what is written is written for all clients.
    pub(super) fn all_keys(&self, name: &str) -> Result<Vec<(Scheme, Keys)>, UnmappableName> {
        let schemes = self.schemes.schemes().iter();
        let keys = schemes.map(|scheme| Ok((*scheme, scheme.keys(name)?)));
        keys.collect()
    }

    fn api(&self) -> Api<Pod> {
        Api::namespaced(self.client.clone(), &self.namespace)
    }

    /// Returns the client that sends the requests.
    pub fn client(&self) -> &kube::Client {
        &self.client
    }

    pub(super) fn includes_not_ready(&self) -> bool {
        self.include_not_ready
    }

    fn refused(&self, error: &kube::Error) -> Error {
        Error::of(Refusal::of_kube(error), &self.namespace)
    }

    /// Logs and counts annotations that were skipped.
    pub(super) fn report<'a>(&self, skipped: impl IntoIterator<Item = &'a Skipped>) {
        for skipped in skipped {
            self.skipped.fetch_add(1, Ordering::Relaxed);
            warn!("Skipping what is no record: {skipped}");
        }
    }

    fn filter<'a>(&self, name: Option<&'a str>) -> Filter<'a> {
        Filter {
            name,
            include_not_ready: self.include_not_ready,
        }
    }

    async fn pods(&self, selector: &str) -> Result<Vec<Pod>, Error> {
        let api = self.api();
        let mut page = ListParams::default().labels(selector).limit(PAGE);
        let mut pods = Vec::new();
        loop {
            let list = match api.list(&page).await {
                Ok(list) => list,
                Err(kube::Error::Api(status))
                    if status.code == GONE && page.continue_token.is_some() =>
                {
                    // All at once this time: one answer cannot fall behind itself.
                    pods.clear();
                    page = ListParams::default().labels(selector);
                    continue;
                }
                Err(error) => return Err(self.refused(&error)),
            };
            pods.extend(list.items);
            page.continue_token = list.metadata.continue_.filter(|token| !token.is_empty());
            if page.continue_token.is_none() {
                return Ok(pods);
            }
        }
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

/// A label selector.
fn selector(label: &str) -> String {
    format!("{label}={LABEL_VALUE}")
}
