//! The end of a plan: the mark, and the purpose of the write.

use std::collections::BTreeSet;

use super::Draft;
use crate::registry::mark::{Mark, Owner};
use crate::registry::plan::write::{Ownership, Patch, Purpose, Write};
use crate::registry::record::Service;
use crate::registry::scheme::Scheme;

// === impl Draft ===

impl Draft<'_> {
    /// Completes the plan. Returns `None` if the pod needs no write.
    pub(in crate::registry::plan) fn finish(mut self) -> Option<Write> {
        let changes = self.patch != Patch::default();
        if !changes && self.entry.wanted.is_none() {
            return None;
        }
        let mark = self.mark(changes);
        if self.there != mark {
            let text = mark.map(|mark| mark.to_json());
            self.goes |= text.is_none();
            self.patch.annotations.insert(self.mark_key, text);
        } else if !changes {
            return None;
        }
        let is_removal = self.goes || self.entry.wanted == Some(false);
        let purpose = match (changes, self.appears, is_removal) {
            (_, true, _) => Purpose::Register,
            (_, _, true) => Purpose::Deregister,
            (false, ..) => Purpose::Announce,
            _ => Purpose::Repair,
        };
        Some(Write {
            purpose,
            patch: self.patch,
            is_over_foreign: self.is_over_foreign,
        })
    }

    /// Returns the mark after the write, or `None` if nothing of ours is left.
    fn mark(&self, changes: bool) -> Option<Mark> {
        let ids = self.ids_after();
        let mut nodes = self.known.nodes.clone();
        let owner = match &self.entry.ownership {
            Ownership::Sidecar(owner) => owner.clone(),
            Ownership::Command => Owner::command(),
        };
        if self.entry.wanted == Some(true) {
            let ours = self.entry.record.nodes().iter();
            nodes.extend(ours.map(|node| (node.id.clone(), owner.clone())));
        }
        nodes.retain(|id, _| ids.contains(id));
        let is_there = |key: &&String| {
            let after = self.patch.labels.get(*key);
            after.map_or(self.pod.label(key).is_some(), Option::is_some)
        };
        let keys = self.known.keys.union(&self.added).filter(is_there);
        let there = self.there.as_ref();
        let mark = Mark {
            service: self.entry.record.name.clone(),
            nodes,
            keys: keys.cloned().collect(),
            announced: !self.appears && there.is_none_or(|there| there.announced || !changes),
        };
        (!mark.is_empty()).then_some(mark)
    }

    /// Returns the ids of all nodes in the service's records once the patch is written.
    fn ids_after(&self) -> BTreeSet<String> {
        let mut ids = BTreeSet::new();
        for scheme in Scheme::ALL {
            let Ok(keys) = scheme.keys(&self.entry.record.name) else {
                continue;
            };
            let before = self.pod.annotation(&keys.annotation);
            let after = self.patch.annotations.get(&keys.annotation);
            let text = after.map_or(before, |after| after.as_deref());
            let record = text.and_then(|text| Service::from_json(text).ok());
            let record = record.filter(|record| record.name == self.entry.record.name);
            ids.extend(
                record
                    .iter()
                    .flat_map(Service::nodes)
                    .map(|node| node.id.clone()),
            );
        }
        ids
    }
}
