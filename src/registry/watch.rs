//! The stream of what happens to services.

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

/// What one watcher of the API server says.
type Told = Result<watcher::Event<Pod>, watcher::Error>;

impl Registry {
    /// What happens to one service, or to all, beginning with a create for each that is
    /// there. An error is told and does not end the stream, except for a name that
    /// cannot be anybody's: lost connections are made again, and what went meanwhile is
    /// deleted then.
    pub fn watch(
        &self,
        name: Option<&str>,
    ) -> impl Stream<Item = Result<Event, Error>> + Send + use<> {
        stream(self.clone(), name.map(str::to_owned))
    }
}

/// One watcher for each scheme, and what follows from all of them.
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
            .map(move |told| (scheme, told))
            .boxed()
    });
    let sources = futures_util::stream::select_all(sources);
    let mut view = View::new(name, registry.includes_not_ready());
    let changes = sources.map(move |(scheme, told)| take(&registry, &mut view, scheme, told));
    Either::Right(changes.flat_map(futures_util::stream::iter))
}

fn take(
    registry: &Registry,
    view: &mut View,
    scheme: Scheme,
    told: Told,
) -> Vec<Result<Event, Error>> {
    match told {
        Ok(event) => {
            let changes = view.take(scheme, event);
            registry.report(&changes.skipped);
            changes.events.into_iter().map(Ok).collect()
        }
        Err(error) => vec![Err(Error::of(refusal(&error), registry.namespace()))],
    }
}

/// The pods that a selector finds, for as long as anybody listens.
fn source(
    client: Client,
    namespace: &str,
    selector: &str,
) -> impl Stream<Item = Told> + Send + use<> {
    let api: Api<Pod> = Api::namespaced(limit_watch_rate(client), namespace);
    let config = Config::default().labels(selector);
    let start = move || -> BoxStream<'static, Told> {
        watcher::watcher(api.clone(), config.clone())
            .default_backoff()
            .boxed()
    };
    futures_util::stream::unfold((start, None), |(start, running)| async {
        let mut running = running.unwrap_or_else(&start);
        loop {
            match running.next().await? {
                Err(error) if is_gone(&error) => {
                    debug!("Starting over: {error}");
                    // Where the status of the answer says so, kube's watcher would ask for
                    // the same version again, for ever.
                    if matches!(error, watcher::Error::WatchStartFailed(_)) {
                        running = start();
                    }
                }
                told => return Some((told, (start, Some(running)))),
            }
        }
    })
}
