//! The watch of one Service's slices.
//!
//! ```text
//! list ──▶ watch from there on ──▶ ended: again from its last event or bookmark
//!   ▲                    └──▶ failed: the same, after 0.8 s, 1.6 s … 30 s
//!   └─────────────────── 410: that was too long ago
//! ```

use std::time::{Duration, SystemTime};

use futures_util::StreamExt as _;
use futures_util::stream::BoxStream;
use kube::Api;
use kube::runtime::watcher::{self, Config, Event, watcher};
use tokio::sync::watch;
use tokio::task::JoinSet;
use tokio::time;
use tracing::{debug, info, warn};

use crate::cluster::Refusal;
use crate::cluster::backoff::{delay, jittered};
use crate::cluster::watch::{is_gone, refusal};
use crate::resolver::connection;
use crate::resolver::slice::{EndpointSlice, SERVICE_NAME};
use crate::resolver::target::Port;
use crate::resolver::view::{State, View};

/// A watch of one Service, which ends with this value.
pub(super) struct Watch {
    view: watch::Sender<View>,
    _task: JoinSet<()>,
}

/// The first and the longest wait after a failure.
const BACKOFF: [Duration; 2] = [Duration::from_millis(800), Duration::from_secs(30)];

type Events = BoxStream<'static, watcher::Result<Event<EndpointSlice>>>;

/// The task of a watch, and its state.
struct Watching {
    api: Api<EndpointSlice>,
    config: Config,
    /// The name of the Service, for the log.
    name: String,
    events: Events,
    begins: watch::Receiver<()>,
    /// The failures in a row, without an event in between.
    failures: u32,
    view: watch::Sender<View>,
}

// === impl Watch ===

impl Watch {
    pub(super) fn new(client: kube::Client, namespace: &str, service: &str) -> Self {
        let view = watch::Sender::new(View::default());
        let watching = Watching::new(client, namespace, service, view.clone());
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
    fn new(
        client: kube::Client,
        namespace: &str,
        service: &str,
        view: watch::Sender<View>,
    ) -> Self {
        let (client, begins) = connection::reporting_begins(client);
        let api = Api::namespaced(client, namespace);
        let config = Config::default().labels(&format!("{SERVICE_NAME}={service}"));
        Self {
            events: watcher(api.clone(), config.clone()).boxed(),
            api,
            config,
            name: format!("{service}.{namespace}"),
            begins,
            failures: 0,
            view,
        }
    }

    async fn run(mut self) {
        loop {
            tokio::select! {
                biased;
                Some(event) = self.events.next() => match event {
                    Ok(event) => {
                        self.failures = 0;
                        self.see(|view| view.take(event));
                    }
                    Err(error) => self.fail(&error).await,
                },
                Ok(()) = self.begins.changed() => self.see(View::resume),
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

    async fn fail(&mut self, error: &watcher::Error) {
        self.failures = self.failures.saturating_add(1);
        if is_gone(error) {
            debug!(service = self.name, "Listing again: {error}");
            if matches!(error, watcher::Error::WatchStartFailed(_)) {
                // kube's watcher would ask for the same version again, for ever.
                self.events = watcher(self.api.clone(), self.config.clone()).boxed();
            }
            if self.failures == 1 {
                return;
            }
        }
        let refusal = refusal(error);
        let wait = pause(self.failures, &refusal);
        self.view.send_modify(|view| {
            if view.state().refusal() != Some(&refusal) {
                warn!(
                    service = self.name,
                    "Endpoint watch failed; keeping the last known endpoints: {refusal}"
                );
            }
            view.fail(refusal, SystemTime::now());
        });
        time::sleep(jittered(wait)).await;
    }
}

/// Returns the wait after this number of failures in a row.
fn pause(failures: u32, refusal: &Refusal) -> Duration {
    let wait = delay(failures, BACKOFF);
    match refusal {
        Refusal::Unavailable { retry_after, .. } => wait.max(retry_after.unwrap_or_default()),
        _ => wait,
    }
}

#[cfg(test)]
mod tests;
