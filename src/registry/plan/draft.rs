//! A plan that is built service by service, and then completed with what the services share.

use crate::registry::mark::Mark;
use crate::registry::plan::write::{Entry, Obstacle, OnForeign, Patch, Purpose, Standing, Write};
use crate::registry::pod::Pod;
use crate::registry::record::{Node, Service};
use crate::registry::scheme::{Keys, LABEL_VALUE, Scheme};

/// The write so far.
pub(super) struct Draft<'a> {
    pod: &'a Pod,
    on_foreign: OnForeign,
    /// The mark on the pod, if there is one.
    there: Option<Mark>,
    /// The content of that mark: what we wrote before.
    known: Mark,
    /// The mark after the write.
    mark: Mark,
    patch: Patch,
    /// The keys of the removed services, and whether another writer wrote their records.
    gone: Vec<(Scheme, Keys, bool)>,
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
    /// Starts an empty plan for a pod.
    pub(super) fn new(pod: &'a Pod, on_foreign: OnForeign) -> Self {
        let there = pod.annotation(Mark::KEY).and_then(Mark::from_json);
        Self {
            pod,
            on_foreign,
            known: there.clone().unwrap_or_default(),
            there,
            mark: Mark::default(),
            patch: Patch::default(),
            gone: Vec::new(),
            appears: false,
            goes: false,
            is_over_foreign: false,
        }
    }

    /// Adds one service to the plan, and returns how it will stand.
    pub(super) fn entry(&mut self, entry: &Entry) -> Standing {
        let ours = ours(entry);
        match entry.wanted {
            None => {
                // Without a verdict the node stays, and stays marked.
                self.mark.nodes.extend(
                    ours.map(|node| node.id.clone())
                        .filter(|id| self.known.nodes.contains(id)),
                );
                for (_, keys) in &entry.keys {
                    self.keep_known(keys);
                }
                Standing::Unknown
            }
            Some(true) => {
                let each: Vec<_> = entry
                    .keys
                    .iter()
                    .map(|(_, keys)| self.appear(entry, keys))
                    .collect();
                let refused = each
                    .iter()
                    .find(|standing| matches!(standing, Standing::Refused(_)));
                let standing = refused
                    .or(each.first())
                    .cloned()
                    .unwrap_or(Standing::Absent);
                if standing == Standing::Registered {
                    self.mark.nodes.extend(ours.map(|node| node.id.clone()));
                }
                standing
            }
            Some(false) => {
                for (scheme, keys) in &entry.keys {
                    self.disappear(entry, *scheme, keys);
                }
                Standing::Absent
            }
        }
    }

    fn appear(&mut self, entry: &Entry, keys: &Keys) -> Standing {
        if let Some(taken) = self.label_taken(keys) {
            return Standing::Refused(taken);
        }
        let standing = match self.record(entry, keys) {
            Record::Stays(standing) => {
                self.keep_known(keys);
                return standing;
            }
            Record::Is(record) => {
                let there = self.pod.annotation(&keys.annotation);
                let same = there
                    .and_then(|text| Service::from_json(text).ok())
                    .is_some_and(|there| there.same_as(&record));
                if !same {
                    self.appears |= there.is_none();
                    self.is_over_foreign |= self
                        .readable(keys)
                        .is_some_and(|there| self.foreign(&there, entry).next().is_some());
                    self.patch
                        .annotations
                        .insert(keys.annotation.clone(), Some(record.to_json()));
                }
                Standing::Registered
            }
        };
        self.keep_known(keys);
        for key in labels(keys) {
            if self.pod.label(key) != Some(LABEL_VALUE) {
                self.appears = true;
                self.mark.keys.insert(key.to_owned());
                self.patch
                    .labels
                    .insert(key.to_owned(), Some(LABEL_VALUE.to_owned()));
            }
        }
        standing
    }

    /// Keeps the labels that we added in the mark.
    fn keep_known(&mut self, keys: &Keys) {
        let known = labels(keys)
            .into_iter()
            .filter(|key| self.known.keys.contains(*key) && self.pod.label(key).is_some());
        self.mark.keys.extend(known.map(str::to_owned));
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

    fn record(&self, entry: &Entry, keys: &Keys) -> Record {
        let Some(there) = self.readable(keys) else {
            return Record::Is(entry.record.clone());
        };
        if there.name != entry.record.name && self.on_foreign != OnForeign::Take {
            let (key, name) = (keys.annotation.clone(), there.name);
            return Record::Stays(Standing::Refused(Obstacle::Name { key, name }));
        }
        let foreign: Vec<_> = self.foreign(&there, entry).cloned().collect();
        let (Some(first), Some(ours)) = (foreign.first(), ours(entry)) else {
            return Record::Is(entry.record.clone());
        };
        let at_our_address = foreign.iter().find(|node| node.address == ours.address);
        match (self.on_foreign, at_our_address) {
            (OnForeign::Take, _) => Record::Is(entry.record.clone()),
            (OnForeign::Fail, _) => {
                let node = at_our_address.unwrap_or(first).id.clone();
                Record::Stays(Standing::Refused(Obstacle::Writer { node }))
            }
            (OnForeign::Adopt, Some(node)) => Record::Stays(Standing::Adopted {
                node: node.id.clone(),
            }),
            (OnForeign::Adopt | OnForeign::Merge, _) => {
                let mut nodes: Vec<_> = foreign
                    .iter()
                    .filter(|node| node.address != ours.address)
                    .cloned()
                    .collect();
                nodes.push(ours.clone());
                Record::Is(Service {
                    nodes: Some(nodes),
                    endpoints: there.endpoints,
                    metadata: there.metadata,
                    ..entry.record.clone()
                })
            }
        }
    }

    fn disappear(&mut self, entry: &Entry, scheme: Scheme, keys: &Keys) {
        let key = &keys.annotation;
        let Some(text) = self.pod.annotation(key) else {
            // Labels that an earlier, partial deregistration left.
            self.gone.push((scheme, keys.clone(), false));
            return;
        };
        let mut written_by_another = false;
        if let Some(there) = self.readable(keys) {
            let mut foreign: Vec<_> = self.foreign(&there, entry).cloned().collect();
            if there.name != entry.record.name
                || (!foreign.is_empty() && self.on_foreign == OnForeign::Fail)
            {
                self.keep_known(keys);
                return;
            }
            let ours = ours(entry);
            written_by_another = !foreign.is_empty();
            foreign.retain(|node| ours.is_none_or(|ours| ours.address != node.address));
            if !foreign.is_empty() {
                let rest = Service {
                    nodes: Some(foreign),
                    ..there.clone()
                };
                if !rest.same_as(&there) {
                    self.goes = true;
                    self.patch
                        .annotations
                        .insert(key.clone(), Some(rest.to_json()));
                }
                self.keep_known(keys);
                return;
            }
        } else if text.is_empty() {
            // Go-micro 2.0 to 2.4 leave an empty text when they deregister.
            written_by_another = true;
        }
        self.goes = true;
        self.is_over_foreign |= written_by_another;
        self.patch.annotations.insert(key.clone(), None);
        self.gone.push((scheme, keys.clone(), written_by_another));
    }

    /// Removes the labels of a scheme that has no service left on the pod. A selector label that
    /// goes earlier makes Go's watchers delete the services that stay.
    fn labels_of_the_gone(&mut self) {
        for (scheme, keys, written_by_another) in std::mem::take(&mut self.gone) {
            let stays = self.others(scheme);
            for key in labels(&keys) {
                let is_ours = self.known.keys.contains(key);
                // Go's own deregistration removes this label.
                let is_theirs = written_by_another && key == keys.selector_label;
                if self.pod.label(key).is_none() || !(is_ours || is_theirs) {
                    continue;
                }
                if stays {
                    self.mark.keys.insert(key.to_owned());
                } else {
                    self.goes = true;
                    self.patch.labels.insert(key.to_owned(), None);
                }
            }
            if stays {
                continue;
            }
            // Selector labels that earlier partial deregistrations kept.
            let is_kept =
                |key: &&String| scheme.is_selector_label(key) && self.pod.label(key).is_some();
            let kept: Vec<_> = self.known.keys.iter().filter(is_kept).cloned().collect();
            for key in kept {
                self.goes = true;
                self.patch.labels.insert(key, None);
            }
        }
    }

    /// Returns whether another service of the scheme is on the pod once the patch is written.
    fn others(&self, scheme: Scheme) -> bool {
        let changed = &self.patch.annotations;
        let stays = |(key, value): (&String, &String)| {
            scheme.is_annotation(key) && !value.is_empty() && !changed.contains_key(key)
        };
        let there = self.pod.metadata.annotations.iter().flatten().any(stays);
        there
            || changed
                .iter()
                .any(|(key, value)| scheme.is_annotation(key) && value.is_some())
    }

    /// Returns the record under a key, if the annotation is a valid one.
    fn readable(&self, keys: &Keys) -> Option<Service> {
        Service::from_json(self.pod.annotation(&keys.annotation)?).ok()
    }

    /// Returns the nodes of a record that we did not write.
    fn foreign<'b>(
        &'b self,
        there: &'b Service,
        entry: &'b Entry,
    ) -> impl Iterator<Item = &'b Node> {
        let is_ours = |node: &&Node| {
            ours(entry).is_some_and(|ours| ours.id == node.id)
                || self.known.nodes.contains(&node.id)
        };
        there
            .nodes
            .iter()
            .flatten()
            .filter(move |node| !is_ours(node))
    }

    /// Completes the plan. Returns `None` if the pod needs no write.
    pub(super) fn finish(mut self) -> Option<Write> {
        self.labels_of_the_gone();
        let there = self.there.as_ref();
        let changes = self.patch != Patch::default();
        self.mark.announced =
            !self.appears && there.is_none_or(|there| there.announced || !changes);
        let mark = (self.mark
            != Mark {
                announced: self.mark.announced,
                ..Mark::default()
            })
        .then_some(self.mark);
        if there != mark.as_ref() {
            self.patch
                .annotations
                .insert(Mark::KEY.to_owned(), mark.map(|mark| mark.to_json()));
        } else if !changes {
            return None;
        }
        let purpose = match (changes, self.appears, self.goes) {
            (false, ..) => Purpose::Announce,
            (_, true, _) => Purpose::Register,
            (_, _, true) => Purpose::Deregister,
            _ => Purpose::Repair,
        };
        Some(Write {
            purpose,
            patch: self.patch,
            is_over_foreign: self.is_over_foreign,
        })
    }
}

fn ours(entry: &Entry) -> Option<&Node> {
    entry.record.nodes.as_ref()?.first()
}

fn labels(keys: &Keys) -> [&str; 2] {
    [keys.type_label, &keys.selector_label]
}
