//! The slices of a Service as far as they are known, and how current they are.
//!
//! ```text
//!            listed                    failed
//!  Pending ─────────▶ Synced ◀──────────────────▶ Stale: as it was, since then
//!                             begun, or an event
//! ```
//!
//! An API server that is away changes no endpoint: what was seen last is kept, and
//! called stale. A new list counts when it is whole.

use std::sync::Arc;
use std::time::SystemTime;

use crate::cluster::Refusal;
use crate::cluster::watch::Event;
use crate::resolver::slice::EndpointSlice;
use crate::resolver::slices::{Slices, Union};
use crate::resolver::target::Port;

/// The slices of one Service.
#[derive(Clone, Debug, Default)]
pub(crate) struct View {
    slices: Slices,
    /// The part of a list that has arrived.
    listed: Slices,
    /// The unions, at each port that a subscriber uses.
    unions: Vec<(Port, Arc<Union>)>,
    state: State,
}

/// The state of the knowledge about a Service's slices.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum State {
    /// No list has arrived yet. The refusal says why, if a request failed.
    Pending(Option<Refusal>),
    /// The slices are current.
    Synced,
    /// The slices were current until a request failed.
    Stale {
        /// The time of that failure.
        since: SystemTime,
        /// The refusal.
        refusal: Refusal,
    },
}

// === impl View ===

impl View {
    /// Takes in what a watch says, and tells whether that changes anything.
    pub(crate) fn take(&mut self, event: Event<EndpointSlice>) -> bool {
        match event {
            Event::Listing => {
                self.listed.clear();
                return false;
            }
            Event::Item(slice) => {
                insert(&mut self.listed, slice);
                return false;
            }
            Event::Listed => {
                self.slices = std::mem::take(&mut self.listed);
                for (port, union) in &mut self.unions {
                    *union = Arc::new(Union::of(self.slices.values(), port));
                }
            }
            Event::Changed(slice) => {
                let name = slice.metadata.name.clone().unwrap_or_default();
                let before = self.slices.insert(name.clone(), slice);
                self.replace(&name, before.as_ref());
            }
            Event::Deleted(slice) => {
                let name = slice.metadata.name.unwrap_or_default();
                let before = self.slices.remove(&name);
                self.replace(&name, before.as_ref());
            }
            Event::Begun => return self.resume(),
            Event::Current => return false,
        }
        // Changes are told only behind a whole list.
        self.state = State::Synced;
        true
    }

    /// Takes in that nothing more will be heard for now.
    pub(crate) fn fail(&mut self, refusal: Refusal, now: SystemTime) {
        self.state = match self.state {
            State::Pending(_) => State::Pending(Some(refusal)),
            State::Synced => State::Stale {
                since: now,
                refusal,
            },
            State::Stale { since, .. } => State::Stale { since, refusal },
        };
    }

    /// Takes in that a watch has begun where the last one ended, and tells whether that
    /// changes anything.
    pub(crate) fn resume(&mut self) -> bool {
        let was_stale = matches!(self.state, State::Stale { .. });
        if was_stale {
            self.state = State::Synced;
        }
        was_stale
    }

    /// Returns the state of the knowledge.
    pub(crate) fn state(&self) -> &State {
        &self.state
    }

    /// Keeps their union at a port from now on.
    pub(crate) fn keep(&mut self, port: &Port) {
        if self.unions.iter().all(|(known, _)| known != port) {
            self.unions.push((port.clone(), self.union(port)));
        }
    }

    /// Returns the union of the slices, at a port.
    pub(crate) fn union(&self, port: &Port) -> Arc<Union> {
        let known = self.unions.iter().find(|(known, _)| known == port);
        known.map_or_else(
            || Arc::new(Union::of(self.slices.values(), port)),
            |(_, union)| Arc::clone(union),
        )
    }

    fn replace(&mut self, name: &str, before: Option<&EndpointSlice>) {
        for (port, union) in &mut self.unions {
            // Who still looks at the last one keeps it, and a map of pointers is copied.
            Arc::make_mut(union).replace(name, before, &self.slices, port);
        }
    }
}

fn insert(slices: &mut Slices, slice: EndpointSlice) {
    let name = slice.metadata.name.clone().unwrap_or_default();
    slices.insert(name, slice);
}

// === impl State ===

impl State {
    /// Returns the name that the JSON has.
    pub fn name(&self) -> &'static str {
        match self {
            Self::Pending(_) => "pending",
            Self::Synced => "synced",
            Self::Stale { .. } => "stale",
        }
    }

    /// Returns the refusal that keeps the slices from being current.
    pub fn refusal(&self) -> Option<&Refusal> {
        match self {
            Self::Pending(refusal) => refusal.as_ref(),
            Self::Synced => None,
            Self::Stale { refusal, .. } => Some(refusal),
        }
    }
}

impl Default for State {
    fn default() -> Self {
        Self::Pending(None)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::resolver::slices::tests::{endpoints, slice};

    const A: &str = "10.0.0.1:50051";
    const B: &str = "10.0.0.2:50051";

    fn part(name: &str, address: &str) -> EndpointSlice {
        slice(name, "IPv4", &endpoints(&[address]))
    }

    fn found(view: &View) -> Vec<String> {
        let union = view.union(&Port::First);
        let considered = union.ready();
        considered.map(|it| it.address.to_string()).collect()
    }

    fn away() -> Refusal {
        Refusal::Unreachable("connection refused".into())
    }

    fn synced() -> View {
        let mut view = View::default();
        view.keep(&Port::First);
        for event in [
            Event::Listing,
            Event::Item(part("greeter-a", "10.0.0.1")),
            Event::Item(part("greeter-b", "10.0.0.2")),
        ] {
            assert!(!view.take(event));
        }
        assert_eq!((view.state().name(), found(&view).len()), ("pending", 0));
        assert!(view.take(Event::Listed));
        assert_eq!(
            (view.state(), found(&view)),
            (&State::Synced, vec![A.into(), B.into()])
        );
        view
    }

    #[test]
    fn defect_1_an_event_of_one_slice_is_about_one_slice() {
        let mut view = synced();
        view.take(Event::Changed(part("greeter-a", "10.0.0.3")));
        assert_eq!(found(&view), [B, "10.0.0.3:50051"]);
    }

    #[test]
    fn defect_2_a_deleted_slice_takes_its_endpoints_along() {
        let mut view = synced();
        view.take(Event::Deleted(part("greeter-b", "10.0.0.2")));
        assert_eq!(found(&view), [A]);
    }

    #[test]
    fn defect_3_the_last_slice_leaves_nothing_behind() {
        let mut view = synced();
        view.take(Event::Deleted(part("greeter-b", "10.0.0.2")));
        assert!(view.take(Event::Deleted(part("greeter-a", "10.0.0.1"))));
        assert_eq!((view.state(), found(&view)), (&State::Synced, vec![]));
    }

    #[test]
    fn defect_4_an_error_is_no_empty_slice() {
        let mut view = synced();
        let at = |seconds| SystemTime::UNIX_EPOCH + std::time::Duration::from_secs(seconds);
        view.fail(away(), at(1));
        let gone = Refusal::Invalid("too old resource version".to_owned());
        view.fail(gone.clone(), at(2));
        let (since, refusal) = (at(1), gone);
        assert_eq!(view.state(), &State::Stale { since, refusal });
        assert_eq!(found(&view), [A, B]);
        assert!(view.resume() && !view.resume());
        assert_eq!((view.state(), found(&view).len()), (&State::Synced, 2));
    }

    #[test]
    fn a_change_of_one_slice_touches_no_endpoint_of_another() {
        let of = |slice: u8, ready: bool| {
            let mark = if ready { "" } else { "!" };
            let texts: Vec<_> = (0..100)
                .map(|it| format!("{mark}10.0.{slice}.{it}"))
                .collect();
            let texts: Vec<_> = texts.iter().map(String::as_str).collect();
            self::slice(&format!("greeter-{slice:02}"), "IPv4", &endpoints(&texts))
        };
        let mut view = View::default();
        view.keep(&Port::First);
        view.take(Event::Listing);
        for number in 0..50 {
            view.take(Event::Item(of(number, true)));
        }
        view.take(Event::Listed);
        let before = view.union(&Port::First);
        view.take(Event::Changed(of(7, false)));
        let after = view.union(&Port::First);
        let both = before.endpoints.values().zip(after.endpoints.values());
        let touched = both
            .filter(|(before, after)| !Arc::ptr_eq(before, after))
            .count();
        assert_eq!((before.endpoints.len(), touched), (5_000, 100));
        assert_eq!(after.ready().count(), 4_900);
        // And nothing is made anew to be looked at.
        assert!(Arc::ptr_eq(&after, &view.union(&Port::First)));
    }

    #[test]
    fn a_list_counts_when_it_is_whole() {
        let mut view = synced();
        view.fail(away(), SystemTime::UNIX_EPOCH);
        view.take(Event::Listing);
        view.take(Event::Item(part("greeter-b", "10.0.0.2")));
        assert_eq!(
            (view.state().name(), found(&view)),
            ("stale", vec![A.into(), B.into()])
        );
        // The list breaks off, and starts again.
        view.take(Event::Listing);
        view.take(Event::Item(part("greeter-a", "10.0.0.1")));
        view.take(Event::Listed);
        assert_eq!(
            (view.state().name(), found(&view)),
            ("synced", vec![A.into()])
        );
    }

    #[test]
    fn what_was_never_seen_is_not_stale() {
        let mut view = View::default();
        view.fail(away(), SystemTime::UNIX_EPOCH);
        assert!(!view.resume());
        assert_eq!(view.state(), &State::Pending(Some(away())));
    }
}
