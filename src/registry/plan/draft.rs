//! A plan that is built scheme by scheme, and then completed with the mark.

use std::collections::{BTreeMap, BTreeSet};

use crate::registry::mark::{Mark, Owner};
use crate::registry::plan::write::{Entry, Obstacle, OnForeign, Ownership, Patch, Standing};
use crate::registry::pod::Pod;
use crate::registry::record::{Node, Service};
use crate::registry::scheme::{Keys, LABEL_VALUE, Scheme};

mod finish;

/// The write so far.
pub(super) struct Draft<'a> {
    pod: &'a Pod,
    entry: &'a Entry,
    on_foreign: OnForeign,
    mark_key: String,
    /// The mark on the pod, if there is one.
    there: Option<Mark>,
    /// The content of that mark: what we wrote before.
    known: Mark,
    /// The marks of the pod's other services, by key.
    others: BTreeMap<String, Mark>,
    /// The name of another service whose mark has our key.
    mark_of: Option<String>,
    patch: Patch,
    /// The keys of labels that the patch adds, or that another service of ours added.
    added: BTreeSet<String>,
    appears: bool,
    goes: bool,
    is_over_foreign: bool,
}

/// The decision about one record.
enum Record {
    Is(Service),
    Stays(Standing),
}

// === impl Draft ===

impl<'a> Draft<'a> {
    /// Starts an empty plan for a service of a pod.
    pub(super) fn new(pod: &'a Pod, entry: &'a Entry, on_foreign: OnForeign) -> Self {
        let mark_key = Mark::key(&entry.record.name);
        let marks = Mark::all(pod).map(|(key, mark)| (key.to_owned(), mark));
        let mut others: BTreeMap<_, _> = marks.collect();
        let there = others.remove(&mark_key);
        let is_ours = |mark: &Mark| mark.service == entry.record.name;
        let mark_of = there.as_ref().filter(|mark| !is_ours(mark));
        let mark_of = mark_of.map(|mark| mark.service.clone());
        let there = there.filter(is_ours);
        Self {
            pod,
            entry,
            on_foreign,
            mark_key,
            known: there.clone().unwrap_or_default(),
            there,
            others,
            mark_of,
            patch: Patch::default(),
            added: BTreeSet::new(),
            appears: false,
            goes: false,
            is_over_foreign: false,
        }
    }

    /// Adds the registration in one scheme. Returns why it stays as it is, if it does.
    pub(super) fn register(&mut self, keys: &Keys) -> Option<Standing> {
        if let Some(obstacle) = self.label_taken(keys).or_else(|| self.mark_taken()) {
            return Some(Standing::Refused(obstacle));
        }
        let there = self.readable(keys);
        let record = match self.record(keys, there.as_ref()) {
            Record::Stays(standing) => return Some(standing),
            Record::Is(record) => record,
        };
        let is_new = self.pod.annotation(&keys.annotation).is_none();
        if !there.as_ref().is_some_and(|there| there.same_as(&record)) {
            self.appears |= is_new;
            self.is_over_foreign |=
                there.is_some_and(|there| self.foreign(&there).next().is_some());
            let (key, text) = (keys.annotation.clone(), Some(record.to_json()));
            self.patch.annotations.insert(key, text);
        }
        for key in labels(keys) {
            let is_there = self.pod.label(key) == Some(LABEL_VALUE);
            if !is_there {
                self.appears = true;
                self.added.insert(key.to_owned());
            }
            // Another service may leave at the same time, and take the type label along.
            if !is_there || (is_new && key == keys.type_label) {
                let (key, value) = (key.to_owned(), Some(LABEL_VALUE.to_owned()));
                self.patch.labels.insert(key, value);
            }
        }
        // The type label belongs to all services, and goes with the last one.
        if self
            .others
            .values()
            .any(|it| it.keys.contains(keys.type_label))
        {
            self.added.insert(keys.type_label.to_owned());
        }
        None
    }

    /// Finds a label with another value than ours. Go-micro 2.0 to 2.4 deregister by an empty
    /// value, which counts as free.
    fn label_taken(&self, keys: &Keys) -> Option<Obstacle> {
        labels(keys)
            .into_iter()
            .find_map(|key| match self.pod.label(key) {
                None | Some("" | LABEL_VALUE) => None,
                Some(value) => Some(Obstacle::Label {
                    key: key.to_owned(),
                    value: value.to_owned(),
                }),
            })
    }

    /// Finds the mark of another service whose name maps to the same key.
    fn mark_taken(&self) -> Option<Obstacle> {
        let name = self.mark_of.clone()?;
        (self.on_foreign != OnForeign::Take).then(|| Obstacle::Name {
            key: self.mark_key.clone(),
            name,
        })
    }

    fn record(&self, keys: &Keys, there: Option<&Service>) -> Record {
        let wanted = &*self.entry.record;
        let Some(there) = there else {
            return Record::Is(wanted.clone());
        };
        if there.name != wanted.name && self.on_foreign != OnForeign::Take {
            let (key, name) = (keys.annotation.clone(), there.name.clone());
            return Record::Stays(Standing::Refused(Obstacle::Name { key, name }));
        }
        let foreign: Vec<_> = self.foreign(there).cloned().collect();
        let (Some(first), Some(ours)) = (foreign.first(), wanted.nodes().first()) else {
            return Record::Is(wanted.clone());
        };
        let at_our_address = foreign.iter().find(|node| node.address == ours.address);
        match (self.on_foreign, at_our_address) {
            (OnForeign::Take, _) => Record::Is(wanted.clone()),
            (OnForeign::Fail, _) => {
                let node = at_our_address.unwrap_or(first).id.clone();
                Record::Stays(Standing::Refused(Obstacle::Writer { node }))
            }
            (OnForeign::Adopt, Some(node)) => Record::Stays(Standing::Adopted {
                node: node.id.clone(),
            }),
            (OnForeign::Adopt | OnForeign::Merge, _) => {
                let beside = foreign.iter().filter(|node| node.address != ours.address);
                let nodes = beside.chain([ours]).cloned().collect();
                Record::Is(Service {
                    nodes: Some(nodes),
                    endpoints: there.endpoints.clone(),
                    metadata: there.metadata.clone(),
                    ..wanted.clone()
                })
            }
        }
    }

    /// Adds the removal from one scheme. Returns the obstacle if a command cannot remove it.
    pub(super) fn remove(&mut self, scheme: Scheme, keys: &Keys) -> Option<Standing> {
        let key = &keys.annotation;
        let has_labels = labels(keys)
            .iter()
            .any(|key| self.known.keys.contains(*key));
        let Some(text) = self.pod.annotation(key) else {
            // Labels that an earlier removal kept for the sake of another service.
            if has_labels {
                self.remove_labels(scheme, keys, false);
            }
            return None;
        };
        let mut written_by_another = false;
        if let Some(there) = self.readable(keys) {
            if there.name != self.entry.record.name {
                let is_command = self.entry.ownership == Ownership::Command;
                let (key, name) = (key.clone(), there.name);
                return is_command.then_some(Standing::Refused(Obstacle::Name { key, name }));
            }
            let at_our_address = |node: &Node| self.removes_address(scheme, &node.address);
            written_by_another = self.foreign(&there).next().is_some();
            let foreign = self.foreign(&there).filter(|node| !at_our_address(node));
            let rest: Vec<_> = foreign.cloned().collect();
            if rest.len() == there.nodes().len() && !self.owns_all() {
                return None;
            }
            if !rest.is_empty() {
                let rest = Service {
                    nodes: Some(rest),
                    ..there
                };
                self.goes = true;
                let text = Some(rest.to_json());
                self.patch.annotations.insert(key.clone(), text);
                return None;
            }
        } else if text.is_empty() {
            // Go-micro 2.0 to 2.4 leave an empty text when they deregister.
            if !self.is_configured(scheme) && !has_labels && !self.owns_all() {
                return None;
            }
            written_by_another = true;
        } else if !self.owns_all() && !self.known.nodes.values().any(|it| self.is_owner(it)) {
            // The text of another program.
            return None;
        }
        self.goes = true;
        self.is_over_foreign |= written_by_another;
        self.patch.annotations.insert(key.clone(), None);
        self.remove_labels(scheme, keys, written_by_another);
        None
    }

    /// Removes the labels if the scheme has no record left on the pod. A selector label that goes
    /// earlier makes Go's watchers delete the services that stay.
    fn remove_labels(&mut self, scheme: Scheme, keys: &Keys, written_by_another: bool) {
        if self.has_others(scheme) {
            return;
        }
        let type_label = keys.type_label;
        let is_added = |key: &str| {
            let by_others = self.others.values().any(|it| it.keys.contains(key));
            self.known.keys.contains(key) || (key == type_label && by_others)
        };
        // Go's own deregistration removes this label.
        let is_theirs = |key: &str| written_by_another && key == keys.selector_label;
        let mut gone: BTreeSet<String> = labels(keys)
            .into_iter()
            .filter(|key| is_added(key) || is_theirs(key))
            .map(str::to_owned)
            .collect();
        // The labels of services that left earlier.
        for (mark_key, mark) in &mut self.others {
            let is_left = |key: &String| scheme.is_selector_label(key) || key == type_label;
            let left: Vec<_> = mark
                .keys
                .iter()
                .filter(|key| is_left(key))
                .cloned()
                .collect();
            if !mark.nodes.is_empty() || left.is_empty() {
                continue;
            }
            mark.keys.retain(|key| !left.contains(key));
            gone.extend(left);
            let text = (!mark.is_empty()).then(|| mark.to_json());
            self.goes = true;
            self.patch.annotations.insert(mark_key.clone(), text);
        }
        for key in gone {
            if self.pod.label(&key).is_some() {
                self.goes = true;
                self.patch.labels.insert(key, None);
            }
        }
    }

    /// Returns whether another record of the scheme is on the pod once the patch is written.
    fn has_others(&self, scheme: Scheme) -> bool {
        let changed = &self.patch.annotations;
        let annotations = self.pod.metadata.annotations.iter().flatten();
        let stays = |(key, text): (&String, &String)| {
            scheme.is_annotation(key) && !text.is_empty() && !changed.contains_key(key)
        };
        let mut written = changed.iter();
        annotations.into_iter().any(stays)
            || written.any(|(key, text)| scheme.is_annotation(key) && text.is_some())
    }

    /// Returns the record under a key, if the annotation is a valid one.
    fn readable(&self, keys: &Keys) -> Option<Service> {
        Service::from_json(self.pod.annotation(&keys.annotation)?).ok()
    }

    /// Returns the nodes of a record that are not ours.
    fn foreign<'b>(&'b self, there: &'b Service) -> impl Iterator<Item = &'b Node> {
        there.nodes().iter().filter(|node| !self.is_ours(&node.id))
    }

    fn is_ours(&self, id: &str) -> bool {
        let is_listed = || self.known.nodes.get(id).is_some_and(|it| self.is_owner(it));
        let nodes = self.entry.record.nodes();
        self.owns_all() || nodes.iter().any(|node| node.id == id) || is_listed()
    }

    fn is_owner(&self, of: &Owner) -> bool {
        matches!(&self.entry.ownership, Ownership::Sidecar(owner) if owner == of)
    }

    /// Returns whether a node of another writer goes as well, because it leads clients to our
    /// unhealthy service.
    fn removes_address(&self, scheme: Scheme, address: &str) -> bool {
        let is_sidecar = matches!(self.entry.ownership, Ownership::Sidecar(_));
        let mut ours = self.entry.record.nodes().iter();
        let is_at_ours = ours.any(|node| node.address == address && !address.is_empty());
        is_sidecar && self.is_configured(scheme) && is_at_ours && self.on_foreign != OnForeign::Fail
    }

    fn is_configured(&self, scheme: Scheme) -> bool {
        self.entry.schemes.iter().any(|(of, _)| *of == scheme)
    }

    /// Returns whether the command removes all nodes of the service.
    fn owns_all(&self) -> bool {
        let Entry {
            ownership,
            record,
            wanted,
            ..
        } = self.entry;
        *ownership == Ownership::Command && *wanted == Some(false) && record.nodes().is_empty()
    }

    /// Returns the standing on the pod as it is, before the write. In some schemes another writer's
    /// node may count as ours.
    pub(super) fn standing(&self, adopted: Option<Standing>, adopted_in: &[Scheme]) -> Standing {
        let is_there = |(scheme, keys): &(Scheme, Keys)| {
            let there = self.readable(keys);
            let there = there.filter(|there| there.name == self.entry.record.name);
            let has_node = there.is_some_and(|there| {
                let nodes = there.nodes().iter();
                nodes.into_iter().any(|node| self.is_ours(&node.id))
            });
            (has_node || adopted_in.contains(scheme))
                && labels(keys)
                    .iter()
                    .all(|key| self.pod.label(key) == Some(LABEL_VALUE))
        };
        let mut schemes = self.entry.schemes.iter().map(is_there);
        let is_wanted = self.entry.wanted == Some(true);
        // While it is wanted it has to be everywhere, and otherwise nowhere.
        let is_registered = if is_wanted {
            schemes.all(|is_there| is_there)
        } else {
            schemes.any(|is_there| is_there)
        };
        match (is_registered, self.entry.wanted) {
            (true, _) => adopted.unwrap_or(Standing::Registered),
            (false, None) => Standing::Unknown,
            (false, Some(_)) => Standing::Absent,
        }
    }
}

fn labels(keys: &Keys) -> [&str; 2] {
    [keys.type_label, &keys.selector_label]
}
