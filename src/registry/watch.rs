//! The stream of changes of services.

use futures_util::future::Either;
use futures_util::{Stream, StreamExt as _};

use crate::cluster::Refusal;
use crate::cluster::watch::{self, Collection, Limits, watch};
use crate::registry::changes::{Event, View};
use crate::registry::error::Error;
use crate::registry::pod::Pod;
use crate::registry::reader::Registry;
use crate::registry::scheme::Scheme;

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

/// Merges the watches of all schemes into one stream of changes.
fn stream(
    registry: Registry,
    name: Option<String>,
) -> impl Stream<Item = Result<Event, Error>> + Send {
    let selectors = match registry.selectors(name.as_deref()) {
        Ok(selectors) => selectors,
        Err(error) => return Either::Left(futures_util::stream::iter([Err(error.into())])),
    };
    let sources = selectors.into_iter().map(|(scheme, selector)| {
        let pods = Collection::of::<Pod>(registry.namespace()).labels(&selector);
        watch(registry.client().clone(), pods, Limits::default())
            .map(move |result| (scheme, result))
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
    result: Result<watch::Event<Pod>, Refusal>,
) -> Vec<Result<Event, Error>> {
    match result {
        Ok(event) => {
            let changes = view.apply(scheme, event);
            registry.report(&changes.skipped);
            changes.events.into_iter().map(Ok).collect()
        }
        Err(refusal) => vec![Err(Error::of(refusal, registry.namespace()))],
    }
}
