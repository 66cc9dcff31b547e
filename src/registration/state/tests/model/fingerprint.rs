//! The comparison of worlds: which of them behave alike.

use std::hash::{DefaultHasher, Hash as _, Hasher as _};
use std::sync::Arc;

use super::world::{Slot, World};
use crate::registration::state::version;
use crate::registry::pod::Pod;

// === impl World ===

impl World {
    /// Returns a number that is the same for worlds that behave alike. Only the order of versions
    /// counts.
    pub(super) fn fingerprint(&self) -> u64 {
        let mut hasher = DefaultHasher::new();
        let versions = self.versions();
        let rank = |version: Option<u64>| versions.iter().position(|it| Some(*it) == version);
        let pod = |pod: &Arc<Pod>, hasher: &mut DefaultHasher| {
            let metadata = &pod.metadata;
            (&metadata.labels, &metadata.annotations, &metadata.uid).hash(hasher);
            (pod.is_terminating(), rank(version(pod))).hash(hasher);
        };
        (self.budget, self.strips, self.pod.is_some()).hash(&mut hasher);
        self.pod.iter().for_each(|it| pod(it, &mut hasher));
        for sidecar in &self.sidecars {
            let state = &sidecar.state;
            (&sidecar.wanted, sidecar.is_lost, sidecar.watch.len()).hash(&mut hasher);
            sidecar.watch.iter().for_each(|it| pod(it, &mut hasher));
            for (service, slot) in &sidecar.slots {
                service.hash(&mut hasher);
                match slot {
                    Slot::Sent(write, _) => format!("{write:?}").hash(&mut hasher),
                    Slot::Applied(it) => pod(it, &mut hasher),
                    Slot::Reading => 0.hash(&mut hasher),
                    Slot::Waiting(due) => due.saturating_sub(self.now).hash(&mut hasher),
                }
            }
            for service in state.all() {
                service.fingerprint((self.now, state.lists), &mut hasher);
            }
            let left = state
                .deadline
                .map(|deadline| deadline.saturating_sub(self.now));
            (state.is_gone(), rank(state.written), left).hash(&mut hasher);
            state.pod.iter().for_each(|it| pod(it, &mut hasher));
        }
        hasher.finish()
    }

    /// Returns all versions that matter for what follows, in their order.
    fn versions(&self) -> Vec<u64> {
        let mut versions = Vec::new();
        versions.extend(self.pod.as_deref().and_then(version));
        for sidecar in &self.sidecars {
            versions.extend(sidecar.state.written);
            let applied = sidecar.slots.values().filter_map(|slot| match slot {
                Slot::Applied(pod) => Some(pod),
                _ => None,
            });
            let pods = sidecar
                .watch
                .iter()
                .chain(applied)
                .chain(&sidecar.state.pod);
            versions.extend(pods.filter_map(|pod| version(pod)));
        }
        versions.sort_unstable();
        versions.dedup();
        versions
    }
}
