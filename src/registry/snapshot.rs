//! What pods say of services, merged: pods in, services out. Pure.
//!
//! A pod is heard that is Running, Ready and not about to go; the kubelet's lease makes
//! Ready False when a node dies, so nothing else needs to expire. Services are merged by
//! name and version; of two nodes with one id, and of two pods with one address, the
//! newer pod's counts: an address that was given to another pod is not the old one's.
//!
//! An annotation that is no record, or is another service's than its key says, is skipped:
//! Go's clients fail the whole lookup for the first and return the second.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;

use crate::registry::pod::Pod;
use crate::registry::record::{Node, Service};
use crate::registry::scheme::{self, Scheme};
use crate::text::Excerpt;

/// What one pod says in one scheme.
#[derive(Clone, Debug, Default)]
pub struct Listing {
    pod: String,
    made: Option<Time>,
    services: Vec<Service>,
    skipped: Vec<Skipped>,
    hidden: bool,
}

/// What to hear of a pod.
#[derive(Clone, Copy, Debug, Default)]
pub struct Filter<'a> {
    /// This service alone.
    pub name: Option<&'a str>,
    /// Also pods that are not Ready.
    pub include_not_ready: bool,
}

/// An annotation that was not taken for a record.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Skipped {
    /// The pod.
    pub pod: String,
    /// The annotation.
    pub key: String,
    /// Why.
    pub why: Why,
}

/// Why an annotation was skipped.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum Why {
    /// It is no record.
    Invalid(Excerpt),
    /// It is the record of this service, whose key is another or means several.
    Name(Excerpt),
}

/// One service in the making.
struct Merged<'a> {
    newest: &'a Service,
    nodes: Vec<&'a Node>,
    ids: BTreeSet<&'a str>,
    addresses: BTreeMap<&'a str, &'a str>,
}

/// The services of some pods, by name and version, their nodes by id.
pub fn merge<'a>(listings: impl IntoIterator<Item = &'a Listing>) -> Vec<Service> {
    let mut newest_first: Vec<_> = listings.into_iter().collect();
    newest_first.sort_by(|a, b| b.made.cmp(&a.made).then_with(|| a.pod.cmp(&b.pod)));
    let mut merged = BTreeMap::<_, Merged<'_>>::new();
    for listing in newest_first {
        for service in &listing.services {
            merged
                .entry((&service.name, &service.version))
                .or_insert_with(|| Merged::new(service))
                .add(&listing.pod, service);
        }
    }
    merged.into_values().map(Merged::finish).collect()
}

// === impl Listing ===

impl Listing {
    /// Reads a pod's annotations.
    pub fn of(pod: &Pod, scheme: Scheme, filter: Filter<'_>) -> Self {
        let mut listing = Self {
            pod: pod.metadata.name.clone().unwrap_or_default(),
            made: pod.metadata.creation_timestamp.clone(),
            ..Self::default()
        };
        let wanted = filter.name.map(scheme::mapped);
        let is_gone = pod.is_terminating() || !pod.is_running();
        let is_heard = !is_gone && (filter.include_not_ready || pod.is_ready());
        for (key, text) in pod.metadata.annotations.iter().flatten() {
            let Some(mapped) = scheme.service_of_annotation(key) else {
                continue;
            };
            // An empty one is what go-micro 2.0 to 2.4 leave when they deregister.
            if text.is_empty() || wanted.as_ref().is_some_and(|wanted| wanted != mapped) {
                continue;
            }
            if !is_heard {
                listing.hidden |= !is_gone;
                continue;
            }
            match read(text, mapped, filter.name) {
                Ok(service) => listing.services.push(service),
                Err(why) => listing.skipped.push(Skipped {
                    pod: listing.pod.clone(),
                    key: key.clone(),
                    why,
                }),
            }
        }
        listing
    }

    /// What was not taken.
    pub fn skipped(&self) -> &[Skipped] {
        &self.skipped
    }

    /// Whether it has records that are not heard only because it is not Ready.
    pub fn is_hidden(&self) -> bool {
        self.hidden
    }

    /// The names of its services.
    pub fn names(&self) -> impl Iterator<Item = &str> {
        self.services.iter().map(|service| &*service.name)
    }
}

/// The record in an annotation of this key.
fn read(text: &str, mapped: &str, wanted: Option<&str>) -> Result<Service, Why> {
    let service = Service::from_json(text);
    let service = service.map_err(|error| Why::Invalid(error.to_string().into()))?;
    let fits = match wanted {
        Some(wanted) => service.name == wanted,
        None => scheme::mapped(&service.name) == mapped,
    };
    if fits {
        Ok(service)
    } else {
        Err(Why::Name(service.name.into()))
    }
}

// === impl Merged ===

impl<'a> Merged<'a> {
    fn new(newest: &'a Service) -> Self {
        Self {
            newest,
            nodes: Vec::new(),
            ids: BTreeSet::new(),
            addresses: BTreeMap::new(),
        }
    }

    fn add(&mut self, pod: &'a str, service: &'a Service) {
        for node in service.nodes.iter().flatten() {
            // One pod may well have two nodes at one address.
            let owner = *self.addresses.entry(&node.address).or_insert(pod);
            let is_moved = owner != pod && !node.address.is_empty();
            if !is_moved && self.ids.insert(&node.id) {
                self.nodes.push(node);
            }
        }
    }

    fn finish(mut self) -> Service {
        self.nodes
            .sort_by(|a, b| (&a.id, &a.address).cmp(&(&b.id, &b.address)));
        Service {
            nodes: Some(self.nodes.into_iter().cloned().collect()),
            ..self.newest.clone()
        }
    }
}

// === impl Skipped ===

impl fmt::Display for Skipped {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { pod, key, why } = self;
        match why {
            Why::Invalid(why) => write!(f, "annotation {key} of pod {pod} is {why}"),
            Why::Name(name) => write!(
                f,
                "annotation {key} of pod {pod} is the record of another service, \"{name}\""
            ),
        }
    }
}

#[cfg(test)]
mod tests;
