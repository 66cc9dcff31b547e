//! The services of Kubernetes in the form of Amalgam8's registry: the read-only Kubernetes
//! catalog of its v0.4.
//!
//! ```text
//! EndpointSlices ──▶ endpoint: type, status ──┐
//!                                             ├──▶ services ──▶ table, JSON, REST
//! Pods, metadata ──▶ version ─────────────────┘
//! ```
//!
//! The original polled Endpoints every 10 s and treated a 403 as an empty cluster. This
//! catalog watches, and keeps the last known services after an error.

use std::time::Duration;

use futures_util::stream::{self, BoxStream};
use futures_util::{FutureExt as _, Stream, StreamExt as _};
use k8s_openapi::api::core::v1::Pod;
use k8s_openapi::api::discovery::v1::EndpointSlice;
use kube::Client;
use kube::core::PartialObjectMeta;
use tokio::time;

use self::mirror::{Mirror, Update};
use crate::cluster::Refusal;
use crate::cluster::watch::{Collection, Limits, watch};

pub(crate) mod check;
pub(crate) mod endpoint;
pub(crate) mod instance;
mod mirror;
pub(crate) mod routes;
pub(crate) mod services;
pub(crate) mod table;
pub(crate) mod version;

pub use self::endpoint::{Kind, Status};
pub use self::instance::Instance;
pub use self::services::Services;
pub use self::version::Source;

/// The time within which related updates arrive. A pod that becomes ready causes one event of
/// the pod and one of its slice.
const SETTLE: Duration = Duration::from_millis(100);

/// The services of one namespace.
///
/// ```no_run
/// use micro_health::catalog::Catalog;
///
/// # async fn example(client: kube::Client) -> Result<(), micro_health::cluster::Refusal> {
/// for (service, instances) in Catalog::new(client, "default").read().await?.iter() {
///     println!("{service}: {}", instances.len());
/// }
/// # Ok(())
/// # }
/// ```
#[derive(Clone)]
pub struct Catalog {
    client: Client,
    namespace: String,
    service: Option<String>,
    sources: Vec<Source>,
}

// === impl Catalog ===

impl Catalog {
    /// Returns the catalog of all services of a namespace, without a request. Versions come
    /// from the label and the owner.
    pub fn new(client: Client, namespace: &str) -> Self {
        Self {
            client,
            namespace: namespace.to_owned(),
            service: None,
            sources: vec![Source::Label, Source::Owner],
        }
    }

    /// Limits the catalog to this service.
    #[must_use]
    pub fn only(mut self, service: &str) -> Self {
        self.service = Some(service.to_owned());
        self
    }

    /// Takes versions from these sources. The first source that has a version wins.
    #[must_use]
    pub fn version_from(mut self, sources: &[Source]) -> Self {
        self.sources = sources.to_vec();
        self
    }

    /// Reads the current services.
    ///
    /// # Errors
    ///
    /// Returns the API server's refusal of a list.
    pub async fn read(&self) -> Result<Services, Refusal> {
        let mut services = std::pin::pin!(self.watch());
        let first = services.next().await;
        first.unwrap_or_else(|| {
            Err(Refusal::Answer(
                "the watch ended before its first list".to_owned(),
            ))
        })
    }

    /// Returns a stream that yields the services, and again all services after each change.
    ///
    /// After a refusal the last services stay valid, and the watch tries again. The stream
    /// never ends.
    pub fn watch(&self) -> impl Stream<Item = Result<Services, Refusal>> + Send + use<> {
        let mut slices = Collection::of::<EndpointSlice>(&self.namespace);
        if let Some(service) = &self.service {
            slices = slices.labels(&endpoint::selector(service));
        }
        let pods = Collection::of::<PartialObjectMeta<Pod>>(&self.namespace).metadata();
        let slices = watch(self.client.clone(), slices, Limits::default());
        let slices = slices.map(|event| event.map(Update::Slice));
        let pods = watch(self.client.clone(), pods, Limits::default());
        let pods = pods.map(|event| event.map(Update::Pod));
        let watching = Watching {
            updates: stream::select(slices, pods).boxed(),
            mirror: Mirror::new(self.sources.clone()),
            delivered: None,
            refusal: None,
        };
        stream::unfold(watching, |mut watching| async move {
            let next = watching.next().await;
            Some((next, watching))
        })
    }
}

impl std::fmt::Debug for Catalog {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Catalog")
            .field("namespace", &self.namespace)
            .field("service", &self.service)
            .finish_non_exhaustive()
    }
}

struct Watching {
    updates: BoxStream<'static, Result<Update, Refusal>>,
    mirror: Mirror,
    /// The services that the stream yielded last.
    delivered: Option<Services>,
    /// The refusal to yield after the updates that came before it.
    refusal: Option<Refusal>,
}

// === impl Watching ===

impl Watching {
    async fn next(&mut self) -> Result<Services, Refusal> {
        loop {
            if let Some(refusal) = self.refusal.take() {
                return Err(refusal);
            }
            let update = self.updates.next().await;
            self.take(update);
            if self.delivered.is_some() {
                self.settle().await;
            }
            let services = self.mirror.services();
            if let Some(services) = services
                && self.delivered.as_ref() != Some(&services)
            {
                self.delivered = Some(services.clone());
                return Ok(services);
            }
        }
    }

    /// Takes the further updates that arrive within [`SETTLE`].
    async fn settle(&mut self) {
        let mut settled = std::pin::pin!(time::sleep(SETTLE).fuse());
        while self.refusal.is_none() {
            tokio::select! {
                biased;
                () = &mut settled => return,
                update = self.updates.next() => self.take(update),
            }
        }
    }

    fn take(&mut self, update: Option<Result<Update, Refusal>>) {
        match update {
            Some(Ok(update)) => self.mirror.take(update),
            Some(Err(refusal)) => self.refusal = Some(refusal),
            None => {}
        }
    }
}
