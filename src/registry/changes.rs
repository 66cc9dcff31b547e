//! What changed between two looks at the pods: events in, events out. Pure.
//!
//! The API server tells of every pod that begins to match, changes or goes, and starts
//! over with all of them when the connection was away for too long. From this follows
//! what happened to services, which is less: an event comes out only when a service or
//! its nodes changed by value. After starting over, whatever is no longer there is
//! deleted, which nobody told.

use std::cmp::Ordering;
use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

use kube::runtime::watcher;

use crate::registry::pod::Pod;
use crate::registry::record::Service;
use crate::registry::scheme::Scheme;
use crate::registry::snapshot::{Filter, Listing, Skipped, merge};

/// Something happened to one version of a service.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Event {
    /// What happened.
    pub action: Action,
    /// All of that version as it is now, with every node; as it was, if it is gone.
    pub service: Service,
}

/// What can happen to a service.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Action {
    /// It was not there before, or nobody had looked.
    Create,
    /// A node came, went or changed, or the service itself did.
    Update,
    /// Its last pod is gone.
    Delete,
}

/// The pods as they were told of so far.
#[derive(Clone, Debug)]
pub struct View {
    name: Option<String>,
    include_not_ready: bool,
    known: BTreeMap<(Scheme, Uid), Listing>,
    arriving: BTreeMap<(Scheme, Uid), Listing>,
}

/// What one event of the API server led to.
#[derive(Debug, Default)]
pub struct Changes {
    /// What to tell.
    pub events: Vec<Event>,
    /// Annotations that were found to be no records just now.
    pub skipped: Vec<Skipped>,
}

type Uid = String;

/// What happened between two lists of services, both sorted by name and version.
pub fn diff(before: Vec<Service>, after: Vec<Service>) -> Vec<Event> {
    let mut events = Vec::new();
    let mut tell = |action, service| events.push(Event { action, service });
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
            (Some(_), Some(new)) => tell(Action::Update, new),
            (Some(old), None) => tell(Action::Delete, old),
            (None, Some(new)) => tell(Action::Create, new),
            (None, None) => {}
        }
    }
}

// === impl View ===

impl View {
    /// Of one service, or of all.
    pub fn new(name: Option<String>, include_not_ready: bool) -> Self {
        Self {
            name,
            include_not_ready,
            known: BTreeMap::new(),
            arriving: BTreeMap::new(),
        }
    }

    /// Takes in what the API server told about the pods that one scheme selects.
    pub fn take(&mut self, scheme: Scheme, event: watcher::Event<Pod>) -> Changes {
        let mut changes = Changes::default();
        match event {
            watcher::Event::Init => self.arriving.retain(|(of, _), _| *of != scheme),
            watcher::Event::InitApply(pod) => {
                let (key, listing) = self.listing(scheme, &pod);
                changes.skipped = self.newly_skipped(&key, &listing);
                self.arriving.insert(key, listing);
            }
            watcher::Event::InitDone => {
                let is_of = |(of, _): &(Scheme, Uid), _: &mut Listing| *of == scheme;
                let gone: Vec<_> = self.known.extract_if(.., is_of).collect();
                let here: Vec<_> = self.arriving.extract_if(.., is_of).collect();
                let names = names(gone.iter().chain(&here).map(|(_, listing)| listing));
                let before = self.merged(&names, gone.iter().map(|(_, listing)| listing));
                self.known.extend(here);
                changes.events = diff(before, self.merged(&names, []));
            }
            watcher::Event::Apply(pod) => {
                let (key, listing) = self.listing(scheme, &pod);
                changes.skipped = self.newly_skipped(&key, &listing);
                changes.events = self.replace(key, Some(listing));
            }
            watcher::Event::Delete(pod) => {
                let (key, _) = self.listing(scheme, &pod);
                changes.events = self.replace(key, None);
            }
        }
        changes
    }

    fn listing(&self, scheme: Scheme, pod: &Pod) -> ((Scheme, Uid), Listing) {
        let filter = Filter {
            name: self.name.as_deref(),
            include_not_ready: self.include_not_ready,
        };
        let uid = pod.metadata.uid.clone().unwrap_or_default();
        ((scheme, uid), Listing::of(pod, scheme, filter))
    }

    fn newly_skipped(&self, key: &(Scheme, Uid), listing: &Listing) -> Vec<Skipped> {
        let known = self.known.get(key).map_or(&[][..], Listing::skipped);
        let skipped = listing.skipped().iter();
        skipped
            .filter(|skipped| !known.contains(skipped))
            .cloned()
            .collect()
    }

    fn replace(&mut self, key: (Scheme, Uid), listing: Option<Listing>) -> Vec<Event> {
        let old = self.known.remove(&key);
        let names = names(old.iter().chain(&listing));
        let before = self.merged(&names, &old);
        if let Some(listing) = listing {
            self.known.insert(key, listing);
        }
        diff(before, self.merged(&names, []))
    }

    /// The services of these names, by what is known and some pods more.
    fn merged<'a>(
        &'a self,
        names: &BTreeSet<String>,
        more: impl IntoIterator<Item = &'a Listing>,
    ) -> Vec<Service> {
        let all = self.known.values().chain(more);
        let mut services =
            merge(all.filter(|listing| listing.names().any(|name| names.contains(name))));
        services.retain(|service| names.contains(&service.name));
        services
    }
}

fn names<'a>(listings: impl Iterator<Item = &'a Listing>) -> BTreeSet<String> {
    listings
        .flat_map(Listing::names)
        .map(str::to_owned)
        .collect()
}

// === impl Action ===

impl Action {
    /// As go-micro's results name it.
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
