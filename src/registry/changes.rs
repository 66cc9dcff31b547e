//! Derives events about services from events about pods. Pure.
//!
//! The API server reports every pod that begins to match, changes or goes. After a long
//! interruption it reports all of them again. [`View`] turns these into events about services,
//! which are fewer: an event comes out only if a service or its nodes changed by value. After a new
//! list, every service that is missing from it is deleted.

use std::cmp::Ordering;
use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

use crate::cluster::watch;
use crate::registry::pod::Pod;
use crate::registry::record::Service;
use crate::registry::scheme::Scheme;
use crate::registry::snapshot::{Filter, PodRecords, SkippedAnnotation, merge};

/// A change of one version of a service.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Event {
    /// The kind of change.
    pub action: Action,
    /// The whole version with all its nodes: as it is now, or as it last was if it is gone.
    pub service: Service,
}

/// The kind of change of a service.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Action {
    /// The service is new, or it is part of the first list.
    Create,
    /// A node was added, removed or changed, or the service itself changed.
    Update,
    /// The last pod of the service is gone.
    Delete,
}

/// The records of all pods that the API server has reported so far.
#[derive(Clone, Debug)]
pub(crate) struct View {
    name: Option<String>,
    include_not_ready: bool,
    known: BTreeMap<(Scheme, Uid), PodRecords>,
    arriving: BTreeMap<(Scheme, Uid), PodRecords>,
}

/// The result of one event of the API server.
#[derive(Debug, Default)]
pub(crate) struct Changes {
    /// The changes of services, sorted by name and version.
    pub events: Vec<Event>,
    /// The annotations of this event's pod that are not valid records and were not known as such.
    pub skipped: Vec<SkippedAnnotation>,
}

type Uid = String;

/// Returns the changes between two lists of services. Both must be sorted by name and version.
pub(crate) fn diff(before: Vec<Service>, after: Vec<Service>) -> Vec<Event> {
    let mut events = Vec::new();
    let mut push = |action, service| events.push(Event { action, service });
    let mut before = before.into_iter().peekable();
    let mut after = after.into_iter().peekable();
    loop {
        let order = match (before.peek(), after.peek()) {
            (Some(old), Some(new)) => (&old.name, &old.version).cmp(&(&new.name, &new.version)),
            (Some(_), None) => Ordering::Less,
            (None, Some(_)) => Ordering::Greater,
            (None, None) => return events,
        };
        let old = if order.is_le() { before.next() } else { None };
        let new = if order.is_ge() { after.next() } else { None };
        match (old, new) {
            (Some(old), Some(new)) if old.same_as(&new) => {}
            (Some(_), Some(new)) => push(Action::Update, new),
            (Some(old), None) => push(Action::Delete, old),
            (None, Some(new)) => push(Action::Create, new),
            (None, None) => {}
        }
    }
}

// === impl View ===

impl View {
    /// Makes an empty view of one service, or of all services if `name` is `None`.
    pub(crate) fn new(name: Option<String>, include_not_ready: bool) -> Self {
        Self {
            name,
            include_not_ready,
            known: BTreeMap::new(),
            arriving: BTreeMap::new(),
        }
    }

    /// Applies an event about the pods that one scheme's selector finds.
    pub(crate) fn apply(&mut self, scheme: Scheme, event: watch::Event<Pod>) -> Changes {
        let mut changes = Changes::default();
        match event {
            watch::Event::Listing => self.arriving.retain(|(of, _), _| *of != scheme),
            watch::Event::Item(pod) => {
                let (key, listing) = self.listing(scheme, &pod);
                changes.skipped = self.newly_skipped(&key, &listing);
                self.arriving.insert(key, listing);
            }
            watch::Event::Listed => {
                let is_of = |(of, _): &(Scheme, Uid), _: &mut PodRecords| *of == scheme;
                let gone: Vec<_> = self.known.extract_if(.., is_of).collect();
                let here: Vec<_> = self.arriving.extract_if(.., is_of).collect();
                let names = names(gone.iter().chain(&here).map(|(_, listing)| listing));
                let before = self.merged(&names, gone.iter().map(|(_, listing)| listing));
                self.known.extend(here);
                changes.events = diff(before, self.merged(&names, []));
            }
            watch::Event::Changed(pod) => {
                let (key, listing) = self.listing(scheme, &pod);
                changes.skipped = self.newly_skipped(&key, &listing);
                changes.events = self.replace(key, Some(listing));
            }
            watch::Event::Deleted(pod) => {
                let (key, _) = self.listing(scheme, &pod);
                changes.events = self.replace(key, None);
            }
            watch::Event::Begun | watch::Event::Current => {}
        }
        changes
    }

    fn listing(&self, scheme: Scheme, pod: &Pod) -> ((Scheme, Uid), PodRecords) {
        let filter = Filter {
            name: self.name.as_deref(),
            include_not_ready: self.include_not_ready,
        };
        let uid = pod.metadata.uid.clone().unwrap_or_default();
        ((scheme, uid), PodRecords::of(pod, scheme, filter))
    }

    fn newly_skipped(&self, key: &(Scheme, Uid), listing: &PodRecords) -> Vec<SkippedAnnotation> {
        let known = self.known.get(key).map_or(&[][..], PodRecords::skipped);
        let skipped = listing.skipped().iter();
        skipped
            .filter(|skipped| !known.contains(skipped))
            .cloned()
            .collect()
    }

    fn replace(&mut self, key: (Scheme, Uid), listing: Option<PodRecords>) -> Vec<Event> {
        let old = self.known.remove(&key);
        let names = names(old.iter().chain(&listing));
        let before = self.merged(&names, &old);
        if let Some(listing) = listing {
            self.known.insert(key, listing);
        }
        diff(before, self.merged(&names, []))
    }

    /// Merges the records of these services from the known pods and from `more`.
    fn merged<'a>(
        &'a self,
        names: &BTreeSet<String>,
        more: impl IntoIterator<Item = &'a PodRecords>,
    ) -> Vec<Service> {
        let all = self.known.values().chain(more);
        let mut services =
            merge(all.filter(|listing| listing.names().any(|name| names.contains(name))));
        services.retain(|service| names.contains(&service.name));
        services
    }
}

fn names<'a>(listings: impl Iterator<Item = &'a PodRecords>) -> BTreeSet<String> {
    listings
        .flat_map(PodRecords::names)
        .map(str::to_owned)
        .collect()
}

// === impl Action ===

impl Action {
    /// Returns the name of the action in go-micro's `registry.Result`.
    pub fn name(self) -> &'static str {
        match self {
            Self::Create => "create",
            Self::Update => "update",
            Self::Delete => "delete",
        }
    }
}

impl fmt::Display for Action {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

#[cfg(test)]
mod tests;
