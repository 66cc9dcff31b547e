//! The stream of changes of services.

use futures_util::future::Either;
use futures_util::stream::BoxStream;
use futures_util::{Stream, StreamExt as _};
use kube::runtime::WatchStreamExt as _;
use kube::runtime::watcher::{self, Config};
use kube::{Api, Client};
use tracing::debug;

use crate::cluster::watch::{is_gone, refusal};
use crate::cluster::watch_rate::limit_watch_rate;
use crate::registry::changes::{Event, View};
use crate::registry::error::Error;
use crate::registry::pod::Pod;
use crate::registry::reader::Registry;
use crate::registry::scheme::Scheme;

/// An item of the stream of one watcher.
type WatchResult = Result<watcher::Event<Pod>, watcher::Error>;

impl Registry {
    /// Watches one service, or all services if `name` is `None`.
    ///
    /// The stream begins with a [`Create`](crate::registry::changes::Action::Create) for each
    /// version that exists. A failed request yields an error and does not end the stream: the
    /// connection is opened again, and services that went in the meantime are deleted then. Only a
    /// name that no key can hold ends the stream, after [`Error::Name`].
    pub fn watch(
        &self,
        name: Option<&str>,
    ) -> impl Stream<Item = Result<Event, Error>> + Send + use<> {
        stream(self.clone(), name.map(str::to_owned))
    }
}

/// Merges the watchers of all schemes into one stream of changes.
fn stream(
    registry: Registry,
    name: Option<String>,
) -> impl Stream<Item = Result<Event, Error>> + Send {
    let selectors = match registry.selectors(name.as_deref()) {
        Ok(selectors) => selectors,
        Err(error) => return Either::Left(futures_util::stream::iter([Err(error.into())])),
    };
    let sources = selectors.into_iter().map(|(scheme, selector)| {
        source(registry.client().clone(), registry.namespace(), &selector)
            .map(move |result| (scheme, result))
            .boxed()
    });
    let sources = futures_util::stream::select_all(sources);
    let mut view = View::new(name, registry.includes_not_ready());
    let changes = sources.map(move |(scheme, result)| apply(&registry, &mut view, scheme, result));
    Either::Right(changes.flat_map(futures_util::stream::iter))
}

fn apply(
    registry: &Registry,
    view: &mut View,
    scheme: Scheme,
    result: WatchResult,
) -> Vec<Result<Event, Error>> {
    match result {
        Ok(event) => {
            let changes = view.apply(scheme, event);
            registry.report(&changes.skipped);
            changes.events.into_iter().map(Ok).collect()
        }
        Err(error) => vec![Err(Error::of(refusal(&error), registry.namespace()))],
    }
}

/// Watches the pods that a selector finds.
fn source(
    client: Client,
    namespace: &str,
    selector: &str,
) -> impl Stream<Item = WatchResult> + Send + use<> {
    let api: Api<Pod> = Api::namespaced(limit_watch_rate(client), namespace);
    let config = Config::default().labels(selector);
    let start = move || -> BoxStream<'static, WatchResult> {
        watcher::watcher(api.clone(), config.clone())
            .default_backoff()
            .boxed()
    };
    futures_util::stream::unfold((start, None), |(start, running)| async {
        let mut running = running.unwrap_or_else(&start);
        loop {
            match running.next().await? {
                Err(error) if is_gone(&error) => {
                    debug!("The watched version is gone; listing the pods again: {error}");
                    // If the status of the answer says that the version is gone, kube's watcher
                    // would ask for that version again, for ever.
                    if matches!(error, watcher::Error::WatchStartFailed(_)) {
                        running = start();
                    }
                }
                result => return Some((result, (start, Some(running)))),
            }
        }
    })
}
