//! The pod's registration, as the sidecar starts and stops it. There is none without the feature
//! `kubernetes` or without `--registry=kubernetes`.

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

/// The pod's registration, or none.
pub(super) struct PodRegistration {
    handle: Option<Handle>,
    running: BoxFuture<'static, ()>,
    is_required: bool,
    /// The time limit for removing the registration.
    limit: Duration,
    /// The time for clients to notice the removal.
    drain: Duration,
}

// === impl PodRegistration ===

impl PodRegistration {
    /// Creates the registration that the flags ask for.
    ///
    /// # Errors
    ///
    /// Fails if the registration is impossible, whatever the API server answers.
    #[cfg(feature = "kubernetes")]
    pub(super) async fn new(
        args: &Args,
        monitors: &Arc<[Monitor]>,
        environment: &Environment,
    ) -> anyhow::Result<Self> {
        use anyhow::Context as _;

        use crate::registration::options::Kind;
        use crate::registration::run::Registration;

        let mut entry = Self::none(args);
        if args.registry.registry == Kind::Kubernetes {
            let variable = |name: &str| environment.get(name);
            let (monitors, own) = (Arc::clone(monitors), args.server.health_address.port);
            let limit = args.app.deregister_limit();
            let registration = Registration::new(&args.registry, monitors, (own, limit), variable);
            let registration = registration
                .await
                .context("cannot keep --registry=kubernetes")?;
            entry.handle = Some(registration.handle());
            entry.running = registration.run().boxed();
            entry.is_required = args.registry.require_registered;
        }
        Ok(entry)
    }

    /// Creates none: this build has no flags for a registration.
    #[cfg(not(feature = "kubernetes"))]
    #[expect(clippy::unused_async, reason = "the signature of the other build")]
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

    /// Returns the registration as the server needs it.
    pub(super) fn for_server(&self) -> Option<Registration> {
        self.handle.clone().map(|handle| Registration {
            handle,
            is_required: self.is_required,
            prestop: self.limit,
            drain: self.drain,
        })
    }

    /// Runs the registration; call it once. Drains the server when the pod ends, even if its
    /// other containers still run. Never returns.
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

    /// Removes the pod from the registry and waits for clients to notice.
    pub(super) async fn leave(self) {
        let Some(handle) = &self.handle else { return };
        let was_registered = handle.status().was_registered();
        if !handle.stop(self.limit).await {
            warn!(limit = ?self.limit, "Stopping with the pod still registered");
        } else if was_registered {
            // Clients have had the time since the removal to notice it.
            time::sleep(
                handle
                    .status()
                    .drain_left(self.drain, std::time::SystemTime::now()),
            )
            .await;
        }
    }
}

impl fmt::Debug for PodRegistration {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("PodRegistration")
            .field("handle", &self.handle)
            .finish_non_exhaustive()
    }
}
