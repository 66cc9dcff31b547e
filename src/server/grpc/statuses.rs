//! The status of each service that has a Watch. One task follows the monitors of a service for all
//! of its Watches, because 64 subscriptions for each of a thousand Watches would take the memory.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError, Weak};

use futures_util::{FutureExt as _, future};
use tokio::sync::watch;
use tokio::task::AbortHandle;
use tokio::time::{self, Instant};

use crate::check::monitor::{Monitor, MonitorState};

/// The services that have a Watch.
#[derive(Debug)]
pub(super) struct Statuses {
    monitors: Arc<[Monitor]>,
    draining: watch::Receiver<bool>,
    services: Mutex<HashMap<String, Weak<ServiceStatus>>>,
}

/// The status of one service. Its task runs for as long as a Watch holds this.
#[derive(Debug)]
pub(super) struct ServiceStatus {
    status: watch::Receiver<Option<bool>>,
    task: AbortHandle,
}

/// The task that follows the monitors of one service.
struct Follower {
    /// The monitors' verdicts, one for each target.
    verdicts: Vec<watch::Receiver<MonitorState>>,
    draining: watch::Receiver<bool>,
    /// The latest end of the monitors' first checks.
    first_check: Instant,
    status: watch::Sender<Option<bool>>,
}

// === impl Statuses ===

impl Statuses {
    pub(super) fn new(monitors: Arc<[Monitor]>, draining: watch::Receiver<bool>) -> Self {
        Self {
            monitors,
            draining,
            services: Mutex::default(),
        }
    }

    /// Returns the status of a service, and starts its task if no Watch has done so. The service ""
    /// is all of them together. Returns `None` if no service has this name.
    pub(super) fn follow(&self, service: &str) -> Option<Arc<ServiceStatus>> {
        let mut services = self.services.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(kept) = services.get(service).and_then(Weak::upgrade) {
            return Some(kept);
        }
        let monitors = self.monitors.iter();
        let monitors: Vec<_> = monitors
            .filter(|monitor| service.is_empty() || monitor.target().name() == service)
            .collect();
        let timeouts = monitors.iter().map(|it| it.target().check_timeout());
        let first_check = Instant::now() + timeouts.max()?;
        let (sender, status) = watch::channel(None);
        let follower = Follower {
            verdicts: monitors.into_iter().map(Monitor::subscribe).collect(),
            draining: self.draining.clone(),
            first_check,
            status: sender,
        };
        let task = tokio::spawn(follower.run()).abort_handle();
        let kept = Arc::new(ServiceStatus { status, task });
        services.insert(service.to_owned(), Arc::downgrade(&kept));
        Some(kept)
    }
}

// === impl ServiceStatus ===

impl ServiceStatus {
    /// Returns a receiver of whether the service is healthy. Its value is `None` until the first
    /// check, and it is closed after the drain.
    pub(super) fn status(&self) -> watch::Receiver<Option<bool>> {
        self.status.clone()
    }
}

impl Drop for ServiceStatus {
    fn drop(&mut self) {
        self.task.abort();
    }
}

// === impl Follower ===

impl Follower {
    /// Publishes each change until the drain.
    async fn run(mut self) {
        loop {
            let drains = *self.draining.borrow();
            let status = if drains { Some(false) } else { self.read() };
            self.status.send_if_modified(|last| {
                let changed = status.is_some() && *last != status;
                *last = status.or(*last);
                changed
            });
            if drains {
                return;
            }
            self.changed().await;
        }
    }

    /// Derives the status from the monitors' verdicts, which a check of our own could contradict.
    /// Returns `None` while a first check is in flight.
    fn read(&mut self) -> Option<bool> {
        let verdicts = self.verdicts.iter_mut();
        let seen: Vec<_> = verdicts.map(|seen| *seen.borrow_and_update()).collect();
        let waits = Instant::now() < self.first_check && !seen.iter().all(|seen| seen.checked);
        // A service without a verdict is not healthy: `--rise` is not reached.
        (!waits).then(|| seen.iter().all(|seen| seen.verdict == Some(true)))
    }

    /// Resolves when the status may have changed.
    async fn changed(&mut self) {
        let waits = self.status.borrow().is_none();
        let each = self.verdicts.iter_mut();
        let each = each.map(|verdict| verdict.changed().boxed());
        let changed = async {
            if future::select_all(each).await.0.is_err() {
                // The monitors have ended, because the sidecar stops.
                future::pending::<()>().await;
            }
        };
        tokio::select! {
            _ = self.draining.wait_for(|draining| *draining) => {}
            () = changed => {}
            () = time::sleep_until(self.first_check), if waits => {}
        }
    }
}
