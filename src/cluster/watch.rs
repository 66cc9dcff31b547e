//! A watch that lasts as long as its subscriber: it waits after each failure and starts again.

use std::fmt::Debug;
use std::time::Duration;

use futures_util::StreamExt as _;
use futures_util::stream::{self, BoxStream};
use kube::runtime::watcher::{self, Event, watcher};
use kube::{Api, Resource};
use serde::de::DeserializeOwned;
use tokio::time::{self, Instant};

use crate::cluster::Refusal;
use crate::cluster::backoff::{delay, jittered};

/// The shortest and the longest delay after a failure.
const BACKOFF: [Duration; 2] = [Duration::from_millis(500), Duration::from_secs(30)];

/// The shortest and the longest delay if a permission is missing, which an operator must grant.
const DENIED: [Duration; 2] = [Duration::from_mins(1), Duration::from_mins(5)];

/// The status for a version that is too old, after which the watch lists again.
const GONE: u16 = 410;

/// A watch that lasted at least this long resets the number of failures.
const LASTED: Duration = Duration::from_mins(1);

/// Returns a stream of the events of these objects, which begins with a list of them. The stream
/// never ends: after a failure it waits, and lists the objects again.
pub(crate) fn watch<K>(
    api: Api<K>,
    config: watcher::Config,
) -> BoxStream<'static, Result<Event<K>, Refusal>>
where
    K: Resource + Clone + DeserializeOwned + Debug + Send + 'static,
{
    let watching = Watching {
        events: watcher(api.clone(), config.clone()).boxed(),
        api,
        config,
        started: Instant::now(),
        failures: 0,
        wait: Duration::ZERO,
    };
    stream::unfold(watching, |mut watching| async move {
        let next = watching.next().await;
        Some((next, watching))
    })
    .boxed()
}

struct Watching<K: 'static> {
    api: Api<K>,
    config: watcher::Config,
    events: BoxStream<'static, watcher::Result<Event<K>>>,
    started: Instant,
    failures: u32,
    wait: Duration,
}

// === impl Watching ===

impl<K> Watching<K>
where
    K: Resource + Clone + DeserializeOwned + Debug + Send + 'static,
{
    async fn next(&mut self) -> Result<Event<K>, Refusal> {
        if !self.wait.is_zero() {
            time::sleep(jittered(self.wait)).await;
            self.wait = Duration::ZERO;
            self.started = Instant::now();
        }
        let error = loop {
            let event = self.events.next().await;
            match event.unwrap_or(Err(watcher::Error::NoResourceVersion)) {
                Ok(event) => return Ok(event),
                // An old version is no failure: the new list has every missed change.
                Err(error) if is_gone(&error) => self.start_over(),
                Err(error) => break refusal(&error),
            }
        };
        if self.started.elapsed() >= LASTED {
            self.failures = 0;
        }
        self.failures = self.failures.saturating_add(1);
        let bounds = if error.is_denied() { DENIED } else { BACKOFF };
        self.wait = delay(self.failures, bounds);
        self.start_over();
        Err(error)
    }

    /// Replaces the watcher. The watcher of kube would continue from its version, even if the
    /// status in the answer says that this version is gone.
    fn start_over(&mut self) {
        self.events = watcher(self.api.clone(), self.config.clone()).boxed();
    }
}

/// Returns the refusal for the failure of a watch.
pub(crate) fn refusal(error: &watcher::Error) -> Refusal {
    match error {
        watcher::Error::InitialListFailed(error)
        | watcher::Error::WatchStartFailed(error)
        | watcher::Error::WatchFailed(error) => Refusal::of_kube(error),
        watcher::Error::WatchError(status) => Refusal::of_kube(&kube::Error::Api(status.clone())),
        watcher::Error::NoResourceVersion => Refusal::Answer(error.to_string()),
    }
}

/// Tells whether the version from which a watch should continue is too old.
pub(crate) fn is_gone(error: &watcher::Error) -> bool {
    use watcher::Error::{
        InitialListFailed, NoResourceVersion, WatchError, WatchFailed, WatchStartFailed,
    };
    match error {
        WatchError(status) => status.code == GONE,
        InitialListFailed(error) | WatchStartFailed(error) | WatchFailed(error) => {
            matches!(error, kube::Error::Api(status) if status.code == GONE)
        }
        NoResourceVersion => false,
    }
}
