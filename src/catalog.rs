//! Kubernetes' services as Amalgam8's registry tells of them: the Kubernetes catalog of
//! its v0.4, read only.
//!
//! ```text
//! EndpointSlices ──▶ endpoint: type, status ──┐
//!                                             ├──▶ services ──▶ table, JSON, REST
//! Pods, metadata ──▶ version ─────────────────┘
//! ```
//!
//! The original polled Endpoints every 10 s and took a 403 for an empty cluster; this
//! watches, and keeps what it last knew.

use std::time::Duration;

use futures_util::stream::{self, BoxStream};
use futures_util::{FutureExt as _, Stream, StreamExt as _};
use k8s_openapi::api::core::v1::Pod;
use k8s_openapi::api::discovery::v1::EndpointSlice;
use kube::core::PartialObjectMeta;
use kube::runtime::watcher::Config;
use kube::{Api, Client};
use tokio::time;

use self::mirror::{Mirror, Told};
use crate::cluster::Refusal;
use crate::cluster::watch::watch;
use crate::cluster::watch_rate::limit_watch_rate;

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

/// What belongs together arrives within this: a pod that becomes ready is an event of its
/// own and one of its slice.
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
    /// All services of a namespace, with versions by label and owner. Asks nothing.
    pub fn new(client: Client, namespace: &str) -> Self {
        Self {
            client,
            namespace: namespace.to_owned(),
            service: None,
            sources: vec![Source::Label, Source::Owner],
        }
    }

    /// This service alone.
    #[must_use]
    pub fn only(mut self, service: &str) -> Self {
        self.service = Some(service.to_owned());
        self
    }

    /// Versions by these sources; the first that knows one wins.
    #[must_use]
    pub fn version_from(mut self, sources: &[Source]) -> Self {
        self.sources = sources.to_vec();
        self
    }

    /// The services now.
    ///
    /// # Errors
    ///
    /// The API server's refusal of a list.
    pub async fn read(&self) -> Result<Services, Refusal> {
        let mut services = std::pin::pin!(self.watch());
        let first = services.next().await;
        first.unwrap_or_else(|| Err(Refusal::Answer("no list".to_owned())))
    }

    /// The services, and the services again after each change of them. A refusal changes
    /// nothing: what was told before still counts, and it is asked again. Never ends.
    pub fn watch(&self) -> impl Stream<Item = Result<Services, Refusal>> + Send + use<> {
        let api = Api::<EndpointSlice>::namespaced(
            limit_watch_rate(self.client.clone()),
            &self.namespace,
        );
        let only = match &self.service {
            Some(service) => Config::default().labels(&endpoint::selector(service)),
            None => Config::default(),
        };
        let slices = watch(api, only).map(|told| told.map(Told::Slice));
        // Of pods the metadata alone are sent.
        let api = Api::<PartialObjectMeta<Pod>>::namespaced(
            limit_watch_rate(self.client.clone()),
            &self.namespace,
        );
        let pods = watch(api, Config::default()).map(|told| told.map(Told::Pod));
        let watching = Watching {
            told: stream::select(slices, pods).boxed(),
            mirror: Mirror::new(self.sources.clone()),
            shown: None,
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
    told: BoxStream<'static, Result<Told, Refusal>>,
    mirror: Mirror,
    shown: Option<Services>,
    /// To be told once what came before it is.
    refusal: Option<Refusal>,
}

// === impl Watching ===

impl Watching {
    async fn next(&mut self) -> Result<Services, Refusal> {
        loop {
            if let Some(refusal) = self.refusal.take() {
                return Err(refusal);
            }
            let told = self.told.next().await;
            self.take(told);
            if self.shown.is_some() {
                self.settle().await;
            }
            let services = self.mirror.services();
            if let Some(services) = services
                && self.shown.as_ref() != Some(&services)
            {
                self.shown = Some(services.clone());
                return Ok(services);
            }
        }
    }

    /// Takes along what comes within [`SETTLE`].
    async fn settle(&mut self) {
        let mut settled = std::pin::pin!(time::sleep(SETTLE).fuse());
        while self.refusal.is_none() {
            tokio::select! {
                biased;
                () = &mut settled => return,
                told = self.told.next() => self.take(told),
            }
        }
    }

    fn take(&mut self, told: Option<Result<Told, Refusal>>) {
        match told {
            Some(Ok(told)) => self.mirror.take(told),
            Some(Err(refusal)) => self.refusal = Some(refusal),
            None => {}
        }
    }
}
