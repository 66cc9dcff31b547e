//! The watch of one Service's slices, which all subscribers share.

use std::time::SystemTime;

use tokio::sync::watch;
use tokio::task::JoinSet;
use tracing::{info, warn};

use crate::cluster::Refusal;
use crate::cluster::watch::{Collection, Limits, Watcher};
use crate::resolver::slice::{EndpointSlice, SERVICE_NAME};
use crate::resolver::target::Port;
use crate::resolver::view::{State, View};

/// A watch of one Service, which ends with this value.
pub(super) struct Watch {
    view: watch::Sender<View>,
    _task: JoinSet<()>,
}

/// The task of a watch, and its state.
struct Watching {
    /// The name of the Service, for the log.
    name: String,
    slices: Watcher<EndpointSlice>,
    view: watch::Sender<View>,
}

// === impl Watch ===

impl Watch {
    pub(super) fn new(client: kube::Client, namespace: &str, service: &str) -> Self {
        let view = watch::Sender::new(View::default());
        let slices =
            Collection::of::<EndpointSlice>(namespace).labels(&format!("{SERVICE_NAME}={service}"));
        let watching = Watching {
            name: format!("{service}.{namespace}"),
            slices: Watcher::new(client, slices, Limits::default()),
            view: view.clone(),
        };
        let mut task = JoinSet::new();
        task.spawn(watching.run());
        Self { view, _task: task }
    }

    /// Subscribes to the views from now on, with the union at this port. The first view counts as news.
    pub(super) fn subscribe(&self, port: &Port) -> watch::Receiver<View> {
        self.view.send_if_modified(|view| {
            view.keep(port);
            false
        });
        let mut seen = self.view.subscribe();
        seen.mark_changed();
        seen
    }
}

// === impl Watching ===

impl Watching {
    async fn run(mut self) {
        loop {
            match self.slices.next().await {
                Ok(event) => self.see(|view| view.take(event)),
                Err(refusal) => self.fail(refusal),
            }
        }
    }

    /// Changes the view, and says when it can be relied on again.
    fn see(&self, change: impl FnOnce(&mut View) -> bool) {
        self.view.send_if_modified(|view| {
            let was_blind = view.state().refusal().is_some();
            let is_news = change(view);
            if was_blind && *view.state() == State::Synced {
                info!(service = self.name, "The API server tells endpoints again");
            }
            is_news
        });
    }

    fn fail(&self, refusal: Refusal) {
        self.view.send_modify(|view| {
            if view.state().refusal() != Some(&refusal) {
                warn!(
                    service = self.name,
                    "Endpoint watch failed; keeping the last known endpoints: {refusal}"
                );
            }
            view.fail(refusal, SystemTime::now());
        });
    }
}

#[cfg(test)]
mod tests;
