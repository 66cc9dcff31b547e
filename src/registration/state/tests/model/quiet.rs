//! A quiet environment: nothing happens any more besides what is under way.

use std::time::Duration;

use super::world::{Scenario, Slot, Strips, World, owner};
use crate::registration::state::rate::REWRITES;
use crate::registry::mark::Mark;
use crate::registry::plan::write::OnForeign;
use crate::registry::pod::Pod;
use crate::registry::scheme::LABEL_VALUE;

/// The time within which everything must be right: the longest wait of a refused or contested write,
/// and its repetition.
const END: Duration = Duration::from_mins(11);

/// The most writes of one service that may follow in that time: those that do not stay, a
/// registration, and one for each longest wait.
const WRITES: u32 = REWRITES + 2 + 3;

// === impl World ===

impl World {
    /// S3, L1, L2, L5, L6, L7, L10: checks what a quiet environment leads to.
    pub(super) fn ends_well(&self) {
        let mut world = self.clone();
        let begun = world.now;
        let mut writes = 0;
        let services: usize = world.sidecars.iter().map(|it| it.state.all().count()).sum();
        let most = WRITES * u32::try_from(services).unwrap();
        while world.now < begun + END && world.step(&mut writes) {
            assert!(writes <= most, "S3: {writes} writes: {:#?}", world.trace);
        }
        for place in 0..world.sidecars.len() {
            world.is_right(place);
        }
    }

    /// Takes the next step of a quiet environment. Returns false if there is none.
    fn step(&mut self, writes: &mut u32) -> bool {
        for place in 0..self.sidecars.len() {
            let sidecar = &self.sidecars[place];
            if sidecar.is_lost {
                self.list(place);
                return true;
            }
            if !sidecar.watch.is_empty() {
                self.hear(place);
                return true;
            }
            let busy = sidecar
                .slots
                .iter()
                .find(|(_, slot)| !matches!(slot, Slot::Waiting(_)));
            if let Some((service, slot)) = busy {
                let service = *service;
                if matches!(slot, Slot::Sent(..)) {
                    *writes += 1;
                    self.apply(place, service);
                } else {
                    self.answer(place, service);
                }
                return true;
            }
        }
        let Some(due) = self.earliest_due() else {
            return false;
        };
        for place in 0..self.sidecars.len() {
            let mut slots = self.sidecars[place].slots.iter();
            let is_due = |slot: &Slot| matches!(slot, Slot::Waiting(at) if *at == due);
            if let Some((service, _)) = slots.find(|(_, slot)| is_due(slot)) {
                self.due(place, *service);
                return true;
            }
        }
        false
    }

    fn is_right(&self, place: usize) {
        let sidecar = &self.sidecars[place];
        let is_ours = |pod: &&Pod| pod.metadata.uid.as_deref() == Some(super::world::UID);
        let Some(pod) = self.pod.as_deref().filter(is_ours) else {
            assert!(sidecar.state.is_gone(), "S5: {:#?}", self.trace);
            return;
        };
        let is_ending = sidecar.state.is_ending();
        if sidecar.state.is_gone() && !is_ending {
            // The pod was replaced, and then its backup was restored.
            let was_replaced = self.trace.iter().any(|step| step == "the pod is replaced");
            assert!(was_replaced, "L1: {:#?}", self.trace);
            return;
        }
        let services = self.scenario.services()[place].iter().enumerate();
        let schemes = self.scenario.schemes();
        for ((service, name), scheme) in
            services.flat_map(|it| schemes.iter().map(move |scheme| (it, *scheme)))
        {
            let wanted = sidecar.wanted[service].filter(|_| !is_ending);
            let keys = scheme.keys(name).unwrap();
            let record = pod.annotation(&keys.annotation).unwrap_or_default();
            let has_ours = record.contains(&format!("{name}-{}", super::world::UID));
            let has_foreign = record.contains("-go");
            if wanted == Some(true) {
                let labels = [keys.type_label, &keys.selector_label];
                let has_labels = labels.iter().all(|key| pod.label(key) == Some(LABEL_VALUE));
                let is_stripped = self.strips == Strips::Records;
                let is_adopted = has_foreign && self.scenario.on_foreign() != OnForeign::Take;
                let is_there = has_ours && has_labels;
                assert!(
                    is_there || is_stripped || is_adopted,
                    "L1: {name} {pod:?} {:#?}",
                    self.trace
                );
                let state = &sidecar.state.services()[service];
                let is_refused = is_adopted && self.scenario.on_foreign() == OnForeign::Fail;
                assert!(
                    is_stripped || is_refused || state.is_registered(),
                    "L1: {state:?} {:#?}",
                    self.trace
                );
            } else if is_ending || wanted == Some(false) {
                assert!(!has_ours, "L2, L10: {name} {pod:?} {:#?}", self.trace);
            }
        }
        // What is restored after the sidecar has ended stays.
        let was_restored = self
            .trace
            .iter()
            .any(|step| step == "the backup is restored");
        let stays = sidecar.state.is_gone() && was_restored;
        if is_ending && !stays {
            assert!(
                sidecar.state.is_gone(),
                "L3: {:#?} {:#?}",
                sidecar.state,
                self.trace
            );
            let mut marks = Mark::all(pod);
            let is_left = marks.any(|(_, mark)| mark.nodes.values().any(|of| *of == owner(place)));
            assert!(!is_left, "L7: {pod:?} {:#?}", self.trace);
        }
        // A sidecar that restarts without its mark does not know its earlier names.
        let happened = |event: &str| self.trace.iter().any(|step| step.ends_with(event));
        let is_forgotten = happened("strips Marks") && happened("restarts");
        if self.scenario == Scenario::Renamed && !stays && !is_forgotten {
            let old = pod.annotation("go.micro/old");
            assert_eq!(old, None, "L7: {pod:?} {:#?}", self.trace);
        }
    }
}
