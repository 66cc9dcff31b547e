//! Services, merged from the records of pods. Pure.
//!
//! A pod counts if it is Running, Ready and not being deleted. The kubelet's lease makes Ready
//! False when a node dies, so records need no expiry of their own. Services are merged by name and
//! version. Of two nodes with one id, and of two pods with one address, the newer pod's node
//! counts. An address that was given to another pod no longer belongs to the old one.
//!
//! An annotation that is not a record, or whose record names another service than its key, is
//! skipped. Go's clients fail the whole lookup for the first, and return the second.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;

use crate::registry::pod::Pod;
use crate::registry::record::{Node, Service};
use crate::registry::scheme::{self, Scheme};
use crate::text::Excerpt;

/// The records of one pod in one scheme.
#[derive(Clone, Debug, Default)]
pub(crate) struct PodRecords {
    pod: String,
    created: Option<Time>,
    services: Vec<Service>,
    skipped: Vec<SkippedAnnotation>,
    hidden: bool,
}

/// A filter of the records of a pod. The default takes all services of Ready pods.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Filter<'a> {
    /// The name of the only service to read, or `None` for all.
    pub name: Option<&'a str>,
    /// The flag is true to read pods that are not Ready as well.
    pub include_not_ready: bool,
}

/// An annotation that is not a valid record.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(crate) struct SkippedAnnotation {
    /// The name of the pod.
    pub pod: String,
    /// The key of the annotation.
    pub key: String,
    /// The reason.
    pub reason: SkipReason,
}

/// The reason why an annotation was skipped.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(crate) enum SkipReason {
    /// The text is not the JSON of a service. The field is the error.
    Invalid(Excerpt),
    /// The record names this service, which is not the service of the key.
    Name(Excerpt),
}

/// A service whose nodes are being merged.
struct ServiceMerge<'a> {
    newest: &'a Service,
    nodes: Vec<&'a Node>,
    ids: BTreeSet<&'a str>,
    addresses: BTreeMap<&'a str, &'a str>,
}

/// Merges the records of pods into services, sorted by name and version, their nodes by id.
pub(crate) fn merge<'a>(listings: impl IntoIterator<Item = &'a PodRecords>) -> Vec<Service> {
    let mut newest_first: Vec<_> = listings.into_iter().collect();
    newest_first.sort_by(|a, b| b.created.cmp(&a.created).then_with(|| a.pod.cmp(&b.pod)));
    let mut merged = BTreeMap::<_, ServiceMerge<'_>>::new();
    for listing in newest_first {
        for service in &listing.services {
            merged
                .entry((&service.name, &service.version))
                .or_insert_with(|| ServiceMerge::new(service))
                .add(&listing.pod, service);
        }
    }
    merged.into_values().map(ServiceMerge::finish).collect()
}

// === impl PodRecords ===

impl PodRecords {
    /// Reads the annotations of a pod.
    pub(crate) fn of(pod: &Pod, scheme: Scheme, filter: Filter<'_>) -> Self {
        let mut listing = Self {
            pod: pod.metadata.name.clone().unwrap_or_default(),
            created: pod.metadata.creation_timestamp.clone(),
            ..Self::default()
        };
        let wanted = filter.name.map(scheme::mapped);
        let is_gone = pod.is_terminating() || !pod.is_running();
        let counts = !is_gone && (filter.include_not_ready || pod.is_ready());
        for (key, text) in pod.metadata.annotations.iter().flatten() {
            let Some(mapped) = scheme.service_of_annotation(key) else {
                continue;
            };
            // Go-micro 2.0 to 2.4 leave an empty text when they deregister.
            if text.is_empty() || wanted.as_ref().is_some_and(|wanted| wanted != mapped) {
                continue;
            }
            if !counts {
                listing.hidden |= !is_gone;
                continue;
            }
            match read(text, mapped, filter.name) {
                Ok(service) => listing.services.push(service),
                Err(reason) => listing.skipped.push(SkippedAnnotation {
                    pod: listing.pod.clone(),
                    key: key.clone(),
                    reason,
                }),
            }
        }
        listing
    }

    /// Returns the annotations that were skipped.
    pub(crate) fn skipped(&self) -> &[SkippedAnnotation] {
        &self.skipped
    }

    /// Returns whether the pod has records that do not count only because it is not Ready.
    pub(crate) fn is_hidden(&self) -> bool {
        self.hidden
    }

    /// Returns the names of the pod's services.
    pub(crate) fn names(&self) -> impl Iterator<Item = &str> {
        self.services.iter().map(|service| &*service.name)
    }
}

/// Reads the record in an annotation. `mapped` is the service name in its key.
fn read(text: &str, mapped: &str, wanted: Option<&str>) -> Result<Service, SkipReason> {
    let service = Service::from_json(text);
    let service = service.map_err(|error| SkipReason::Invalid(error.to_string().into()))?;
    let fits = match wanted {
        Some(wanted) => service.name == wanted,
        None => scheme::mapped(&service.name) == mapped,
    };
    if fits {
        Ok(service)
    } else {
        Err(SkipReason::Name(service.name.into()))
    }
}

// === impl ServiceMerge ===

impl<'a> ServiceMerge<'a> {
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
            // One pod may have two nodes at one address.
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

// === impl SkippedAnnotation ===

impl fmt::Display for SkippedAnnotation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { pod, key, reason } = self;
        match reason {
            SkipReason::Invalid(why) => write!(f, "annotation {key} of pod {pod} is {why}"),
            SkipReason::Name(name) => write!(
                f,
                "annotation {key} of pod {pod} is the record of another service, \"{name}\""
            ),
        }
    }
}

#[cfg(test)]
mod tests;
