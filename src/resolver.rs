//! `kubernetes://` targets: the endpoints of a Service, as the API server knows them.
//!
//! ```text
//! text ──▶ target ──▶ Resolver: one watch a Service ──▶ Endpoints, for each who asks
//!                       │                                 slices: the union, at a port
//!                       └─▶ view: the slices, and how well they are known
//! ```
//!
//! What kuberesolver does for Go, from the slices alone and from all of them. An API
//! server that is away changes no endpoint: what was known is kept, and called stale.

use std::collections::HashMap;
use std::fmt;
use std::sync::{Arc, Mutex, PoisonError, Weak};

use tokio::sync::watch::Receiver;

use self::no_endpoints::Known;
use self::view::View;
use self::watch::Watch;
use crate::cluster::{Cluster, Refusal};

pub mod channel;
pub(crate) mod no_endpoints;
pub(crate) mod service;
pub(crate) mod slice;
pub(crate) mod slices;
pub(crate) mod target;
pub(crate) mod view;
mod watch;

pub use self::slices::{Endpoint, Union};
pub use self::target::{InvalidTarget, Port, Target};
pub use self::view::State;

/// Knows the endpoints of Services by watching each once, however many ask.
///
/// ```no_run
/// use micro_health::resolver::Resolver;
///
/// # async fn example(client: kube::Client) -> Result<(), Box<dyn std::error::Error>> {
/// let resolver = Resolver::new(client, "default");
/// let mut endpoints = resolver.endpoints("kubernetes:///greeter.shop:grpc".parse()?);
/// loop {
///     for endpoint in endpoints.union().ready() {
///         println!("{}", endpoint.address);
///     }
///     endpoints.changed().await;
/// }
/// # }
/// ```
#[derive(Clone)]
pub struct Resolver {
    client: kube::Client,
    namespace: Arc<str>,
    watches: Arc<Mutex<HashMap<Name, Weak<Watch>>>>,
}

/// A namespace and a Service in it.
type Name = (String, String);

/// The endpoints of one target, for as long as this is kept.
#[derive(Clone)]
pub struct Endpoints {
    target: Target,
    client: kube::Client,
    seen: Receiver<View>,
    _watch: Arc<Watch>,
}

// === impl Resolver ===

impl Resolver {
    /// Asks nothing. Targets without a namespace are in this one.
    pub fn new(client: kube::Client, namespace: impl Into<Arc<str>>) -> Self {
        Self {
            client,
            namespace: namespace.into(),
            watches: Arc::default(),
        }
    }

    /// Returns a resolver for a cluster and the namespace it works in.
    pub fn of(cluster: &Cluster) -> Self {
        Self::new(cluster.client(), cluster.namespace())
    }

    /// The client that asks.
    pub fn client(&self) -> &kube::Client {
        &self.client
    }

    /// Watches a target's Service, unless somebody does already. Wants a runtime.
    pub fn endpoints(&self, target: Target) -> Endpoints {
        let target = target.or_in(&self.namespace);
        let namespace = target.namespace.clone().unwrap_or_default();
        let name = (namespace, target.service.clone());
        let mut watches = self.watches.lock().unwrap_or_else(PoisonError::into_inner);
        let known = watches.get(&name).and_then(Weak::upgrade);
        let watch = known.unwrap_or_else(|| {
            // Those that have ended, whenever there is no place left: not each time anew.
            if watches.len() == watches.capacity() {
                watches.retain(|_, watch| watch.strong_count() > 0);
            }
            let watch = Arc::new(Watch::new(self.client.clone(), &name.0, &name.1));
            watches.insert(name, Arc::downgrade(&watch));
            watch
        });
        let seen = watch.subscribe(&target.port);
        Endpoints {
            target,
            client: self.client.clone(),
            seen,
            _watch: watch,
        }
    }
}

impl fmt::Debug for Resolver {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Resolver({})", self.namespace)
    }
}

// === impl Endpoints ===

impl Endpoints {
    /// Returns the target, namespace included.
    pub fn target(&self) -> &Target {
        &self.target
    }

    /// Returns the endpoints as they are known now.
    pub fn union(&self) -> Arc<Union> {
        self.seen.borrow().union(&self.target.port)
    }

    /// Returns the state of that knowledge.
    pub fn state(&self) -> State {
        self.seen.borrow().state().clone()
    }

    /// Reads the Service itself, if only that can explain these endpoints. The permission to read it
    /// is optional, because it only improves messages.
    pub(crate) async fn service(&self, union: &Union) -> Known {
        if !no_endpoints::needs_service(&self.target, union) {
            return Known::Nothing;
        }
        let namespace = self.target.namespace.as_deref().unwrap_or_default();
        match service::read(&self.client, namespace, &self.target.service).await {
            Ok(Some(service)) => Known::There(service),
            Ok(None) => Known::Absent,
            Err(_) => Known::Nothing,
        }
    }

    /// Resolves when something has changed since this was last called; at first, at once.
    pub async fn changed(&mut self) {
        let changed = self.seen.changed().await;
        changed.expect("the sender must live as long as the watch");
        self.seen.mark_unchanged();
    }

    /// Resolves when they are known, and later at once.
    ///
    /// # Errors
    ///
    /// Why they are not known, as soon as a request has failed.
    pub async fn known(&self) -> Result<Arc<Union>, Refusal> {
        let mut seen = self.seen.clone();
        let view = seen.wait_for(|view| *view.state() != State::Pending(None));
        let view = view.await;
        let view = view.expect("the sender must live as long as the watch");
        match view.state() {
            State::Pending(Some(refusal)) => Err(refusal.clone()),
            State::Pending(None) | State::Synced | State::Stale { .. } => {
                Ok(view.union(&self.target.port))
            }
        }
    }
}

impl fmt::Debug for Endpoints {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Endpoints({}, {})", self.target, self.state().name())
    }
}
