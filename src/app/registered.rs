//! The pod's place in the registry, from the app's side. In a build without the feature
//! `kubernetes`, and without `--registry=kubernetes`, there is none.

use std::fmt;
use std::future::ready;
use std::sync::Arc;
use std::time::Duration;

use futures_util::FutureExt as _;
use futures_util::future::BoxFuture;
use tokio::time;
use tracing::warn;

use super::environment::Environment;
use crate::app::args::Args;
use crate::check::monitor::Monitor;
use crate::registration::Handle;
use crate::server::handler::Handler;
use crate::server::registration::Registration;

/// A registration that is about to run, or none.
pub(super) struct Registered {
    handle: Option<Handle>,
    running: BoxFuture<'static, ()>,
    is_required: bool,
    /// The longest that taking it away may take.
    limit: Duration,
    /// Time for clients to notice.
    drain: Duration,
}

// === impl Registered ===

impl Registered {
    /// What the flags ask for.
    ///
    /// # Errors
    ///
    /// A registration that is impossible, whatever the API server says.
    #[cfg(feature = "kubernetes")]
    pub(super) async fn new(
        args: &Args,
        monitors: &Arc<[Monitor]>,
        environment: &Environment,
    ) -> anyhow::Result<Self> {
        use anyhow::Context as _;

        use crate::registration::options::Kind;
        use crate::registration::run::Registration;

        let mut registered = Self::none(args);
        if args.registry.registry == Kind::Kubernetes {
            let variable = |name: &str| environment.get(name);
            let registration = Registration::new(&args.registry, Arc::clone(monitors), variable);
            let registration = registration
                .await
                .context("cannot keep --registry=kubernetes")?;
            registered.handle = Some(registration.handle());
            registered.running = registration.run().boxed();
            registered.is_required = args.registry.require_registered;
        }
        Ok(registered)
    }

    /// None, whatever the flags say: they cannot ask for one.
    #[cfg(not(feature = "kubernetes"))]
    #[expect(clippy::unused_async, reason = "as the other one")]
    pub(super) async fn new(
        args: &Args,
        _: &Arc<[Monitor]>,
        _: &Environment,
    ) -> anyhow::Result<Self> {
        Ok(Self::none(args))
    }

    fn none(args: &Args) -> Self {
        Self {
            handle: None,
            running: ready(()).boxed(),
            is_required: false,
            limit: args.app.deregister_limit(),
            drain: args.app.drain.0,
        }
    }

    /// For those who probe.
    pub(super) fn probed(&self) -> Option<Registration> {
        self.handle.clone().map(|handle| Registration {
            handle,
            is_required: self.is_required,
            prestop: self.limit,
            drain: self.drain,
        })
    }

    /// Runs it; once. A pod that goes is not ready, whoever else still runs in it. Never ends.
    pub(super) fn run(&mut self, handler: Arc<Handler>) -> BoxFuture<'static, ()> {
        let running = std::mem::replace(&mut self.running, ready(()).boxed());
        let handle = self.handle.clone();
        let drain = async move {
            if let Some(handle) = handle {
                handle.ending().await;
                handler.drain();
            }
        };
        async {
            tokio::join!(running, drain);
            std::future::pending::<()>().await;
        }
        .boxed()
    }

    /// Takes the pod out of the registry, and gives clients the time to notice.
    pub(super) async fn leave(self) {
        let Some(handle) = &self.handle else { return };
        let was_registered = handle.status().was_registered();
        if !handle.stop(self.limit).await {
            warn!(limit = ?self.limit, "Stopping with the pod still registered");
        } else if was_registered {
            let since = handle.status().since.elapsed().unwrap_or_default();
            time::sleep(self.drain.saturating_sub(since)).await;
        }
    }
}

impl fmt::Debug for Registered {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Registered")
            .field("handle", &self.handle)
            .finish_non_exhaustive()
    }
}
