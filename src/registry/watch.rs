//! The stream of what happens to services.

use futures_util::future::Either;
use futures_util::stream::{self, BoxStream};
use futures_util::{Stream, StreamExt as _};
use kube::runtime::WatchStreamExt as _;
use kube::runtime::watcher::{self, Config};
use kube::{Api, Client};
use tracing::debug;

use super::changes::{Event, View};
use super::error::Error;
use super::pod::Pod;
use super::reader::Registry;
use super::scheme::Scheme;
use crate::cluster::pace::paced;
use crate::cluster::watch::{is_gone, refusal};

/// What one watcher of the API server says.
type Told = Result<watcher::Event<Pod>, watcher::Error>;

/// One watcher for each scheme, and what follows from all of them.
pub(super) fn stream(
    registry: Registry,
    name: Option<String>,
) -> impl Stream<Item = Result<Event, Error>> + Send {
    let selectors = match registry.selectors(name.as_deref()) {
        Ok(selectors) => selectors,
        Err(error) => return Either::Left(stream::iter([Err(error.into())])),
    };
    let sources = selectors.into_iter().map(|(scheme, selector)| {
        source(registry.client().clone(), registry.namespace(), &selector)
            .map(move |told| (scheme, told))
            .boxed()
    });
    let sources = stream::select_all(sources);
    let mut view = View::new(name, registry.includes_not_ready());
    let changes = sources.map(move |(scheme, told)| take(&registry, &mut view, scheme, told));
    Either::Right(changes.flat_map(stream::iter))
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
    let api: Api<Pod> = Api::namespaced(paced(client), namespace);
    let config = Config::default().labels(selector);
    let start = move || -> BoxStream<'static, Told> {
        watcher::watcher(api.clone(), config.clone())
            .default_backoff()
            .boxed()
    };
    stream::unfold((start, None), |(start, running)| async {
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
