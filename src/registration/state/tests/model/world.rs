//! The worlds of the model: sidecars, the pod on the server, and what is under way between them.

use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;
use std::time::Duration;

use k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta;

use crate::registration::state::action::Action;
use crate::registration::state::rate::{BURST, REFILL};
use crate::registration::state::{Event, Settings, Source, State};
use crate::registry::mark::{Mark, Owner};
use crate::registry::plan::write::{Entry, OnForeign, Ownership, Standing, Write};
use crate::registry::pod::Pod;
use crate::registry::record::{Node, Service};
use crate::registry::scheme::{Keys, LABEL_VALUE, Scheme};

/// The sidecars of a world and their settings.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Scenario {
    /// A sidecar with one service.
    One(OnForeign),
    /// A sidecar with two services.
    TwoServices,
    /// A sidecar with one service in both schemes.
    BothSchemes,
    /// Two sidecars with one service each.
    TwoSidecars,
    /// A sidecar on a pod that it registered before, under another name and in another scheme.
    Renamed,
}

/// A world.
#[derive(Clone, Debug)]
pub(super) struct World {
    pub scenario: Scenario,
    /// The pod on the server. `None` once it is deleted.
    pub pod: Option<Arc<Pod>>,
    /// The pod as it is restored from a backup.
    pub backup: Arc<Pod>,
    pub version: u64,
    pub strips: Strips,
    pub sidecars: Vec<Sidecar>,
    pub now: Duration,
    /// The events that the environment may still have.
    pub budget: u32,
    /// The steps that led here.
    pub trace: Vec<String>,
}

/// The annotations that a mutating webhook removes from every write.
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
pub(super) enum Strips {
    Nothing,
    Marks,
    Records,
}

/// A sidecar, its watch and its requests.
#[derive(Clone, Debug)]
pub(super) struct Sidecar {
    pub state: State,
    /// The watch events that have not arrived yet.
    pub watch: VecDeque<Arc<Pod>>,
    /// The flag is true if the watch lost an event and must list.
    pub is_lost: bool,
    pub wanted: Vec<Option<bool>>,
    pub slots: BTreeMap<usize, Slot>,
    /// The times of the writes of each service.
    pub writes: BTreeMap<usize, Vec<Duration>>,
}

/// A request or a wait of a service.
#[derive(Clone, Debug)]
pub(super) enum Slot {
    /// The write has not reached the server.
    Sent(Write, String),
    /// The server has taken the write, and this is its answer.
    Applied(Arc<Pod>),
    /// A read.
    Reading,
    /// The earliest end of a wait.
    Waiting(Duration),
}

pub(super) const UID: &str = "u";

// === impl Scenario ===

impl Scenario {
    pub(super) const ALL: [Self; 8] = [
        Self::One(OnForeign::Adopt),
        Self::One(OnForeign::Merge),
        Self::One(OnForeign::Take),
        Self::One(OnForeign::Fail),
        Self::TwoServices,
        Self::BothSchemes,
        Self::TwoSidecars,
        Self::Renamed,
    ];

    /// Returns the services of each sidecar.
    pub(super) fn services(self) -> &'static [&'static [&'static str]] {
        match self {
            Self::One(_) | Self::Renamed | Self::BothSchemes => &[&["greeter"]],
            Self::TwoServices => &[&["greeter", "other"]],
            Self::TwoSidecars => &[&["greeter"], &["other"]],
        }
    }

    pub(super) fn schemes(self) -> &'static [Scheme] {
        match self {
            Self::BothSchemes => &Scheme::ALL,
            _ => &[Scheme::MicroMu],
        }
    }

    /// Returns the scheme whose records the webhook strips. Another writer writes only the first.
    pub(super) fn stripped(self) -> Scheme {
        *self.schemes().last().unwrap()
    }

    pub(super) fn on_foreign(self) -> OnForeign {
        match self {
            Self::One(on_foreign) => on_foreign,
            _ => OnForeign::Adopt,
        }
    }

    pub(super) fn entries(self, sidecar: usize, wanted: &[Option<bool>]) -> Vec<Entry> {
        let names = self.services()[sidecar];
        let entry = |(name, wanted): (&&str, &Option<bool>)| {
            let schemes = self.schemes().iter();
            let keyed = schemes.map(|scheme| (*scheme, scheme.keys(name).unwrap()));
            Entry {
                record: record(name, &[&format!("{name}-{UID}")]).into(),
                schemes: keyed.collect(),
                wanted: *wanted,
                ownership: Ownership::Sidecar(owner(sidecar)),
            }
        };
        names.iter().zip(wanted).map(entry).collect()
    }

    /// Returns a sidecar as it starts.
    pub(super) fn sidecar(self, place: usize) -> Sidecar {
        let names = self.services()[place];
        let wanted = vec![None; names.len()];
        let settings = Settings {
            owner: owner(place),
            on_foreign: self.on_foreign(),
            jitter: Duration::ZERO,
            limit: Duration::from_secs(5),
        };
        Sidecar {
            state: State::new(self.entries(place, &wanted), settings),
            watch: VecDeque::new(),
            is_lost: true,
            wanted,
            slots: BTreeMap::new(),
            writes: BTreeMap::new(),
        }
    }
}

pub(super) fn owner(sidecar: usize) -> Owner {
    Owner::sidecar(8080 + sidecar)
}

pub(super) fn address(service: &str) -> String {
    format!("10.1.0.7:{}", 9000 + service.len())
}

/// A record whose nodes are all at the service's address.
pub(super) fn record(name: &str, ids: &[&str]) -> Service {
    let nodes = ids.iter().map(|id| Node::new(*id, address(name)));
    nodes.fold(Service::new(name), Service::node)
}

// === impl World ===

impl World {
    pub(super) fn new(scenario: Scenario, budget: u32) -> Self {
        let mut pod = Pod {
            metadata: ObjectMeta {
                uid: Some(UID.into()),
                labels: Some([("app".into(), "greeter".into())].into()),
                annotations: Some([("note".into(), "keep".into())].into()),
                ..ObjectMeta::default()
            },
            status: None,
        };
        if scenario == Scenario::Renamed {
            let old = Mark {
                service: "old".into(),
                nodes: [("old-u".into(), owner(0))].into(),
                keys: ["micro".into(), "go.micro/old".into()].into(),
                announced: true,
            };
            let labels = pod.metadata.labels.as_mut().unwrap();
            labels.extend(
                old.keys
                    .iter()
                    .map(|key| (key.clone(), LABEL_VALUE.to_owned())),
            );
            let annotations = pod.metadata.annotations.as_mut().unwrap();
            annotations.insert("go.micro/old".into(), record("old", &["old-u"]).to_json());
            annotations.insert(Mark::key("old"), old.to_json());
        }
        let sidecars = 0..scenario.services().len();
        let mut world = Self {
            scenario,
            pod: None,
            backup: Arc::new(pod.clone()),
            version: 0,
            strips: Strips::Nothing,
            sidecars: sidecars.map(|place| scenario.sidecar(place)).collect(),
            now: Duration::ZERO,
            budget,
            trace: Vec::new(),
        };
        world.change(|server| *server = pod.metadata.clone());
        world.backup = world.pod.clone().unwrap();
        world
    }

    /// Changes the pod on the server, and sends the watch events.
    pub(super) fn change(&mut self, change: impl FnOnce(&mut ObjectMeta)) {
        let mut pod = self.pod.as_deref().cloned().unwrap_or_default();
        let before = pod.clone();
        change(&mut pod.metadata);
        if pod == before {
            return;
        }
        self.version += 1;
        pod.metadata.resource_version = Some(self.version.to_string());
        let pod = Arc::new(pod);
        for sidecar in &mut self.sidecars {
            if sidecar.state.pod.is_some() {
                sidecar.watch.push_back(Arc::clone(&pod));
            }
        }
        self.pod = Some(pod);
    }

    /// Gives an event to a sidecar, checks what follows, and starts its requests.
    pub(super) fn give(&mut self, place: usize, event: Event) {
        let sidecar = &mut self.sidecars[place];
        let answered = match &event {
            Event::Answer(service, Err(_)) => Some(*service),
            _ => None,
        };
        let was_gone = sidecar.state.is_gone();
        let was_ending = sidecar.state.is_ending();
        let now = self.now;
        for (service, action) in sidecar.state.next(event, now) {
            assert!(!was_gone, "S5: {action:?} after the end: {:#?}", self.trace);
            let is_own = answered.is_none_or(|answered| answered == service);
            assert!(
                is_own,
                "S2: a refusal concerns another service: {:#?}",
                self.trace
            );
            let slot = match action {
                Action::Write(write, uid) => {
                    let writes = sidecar.writes.entry(service).or_default();
                    writes.retain(|at| now.saturating_sub(*at) < Duration::from_mins(1));
                    writes.push(now);
                    let refilled = Duration::from_mins(1).as_secs() / REFILL.as_secs();
                    let most = usize::try_from(u64::from(BURST) + 2 + refilled).unwrap();
                    assert!(
                        writes.len() <= most,
                        "S4: {} writes: {:#?}",
                        writes.len(),
                        self.trace
                    );
                    assert_eq!(uid, UID, "S5: {:#?}", self.trace);
                    is_allowed(&write, sidecar.state.pod.as_ref().unwrap(), &self.trace);
                    Slot::Sent(write, uid)
                }
                Action::Read => Slot::Reading,
                Action::Wait(from, _) => Slot::Waiting(now + from),
            };
            let before = sidecar.slots.insert(service, slot);
            let is_free = !matches!(
                before,
                Some(Slot::Sent(..) | Slot::Applied(_) | Slot::Reading)
            );
            assert!(is_free, "two requests at once: {:#?}", self.trace);
        }
        if sidecar.state.is_ending() && !was_ending {
            let waits = |slot: &Slot| matches!(slot, Slot::Waiting(due) if *due > now);
            let services = sidecar.state.all().enumerate();
            for (service, state) in services.filter(|(_, state)| state.pending().is_some()) {
                let waits = sidecar.slots.get(&service).is_some_and(waits);
                assert!(
                    !waits,
                    "L3: {} waits at the end: {:#?}",
                    state.name(),
                    self.trace
                );
            }
        }
        self.is_truthful(place);
    }

    /// S6: the state says "registered" only of what the pod, as it was read, really carries.
    fn is_truthful(&self, place: usize) {
        let state = &self.sidecars[place].state;
        for service in state.services() {
            let carries = |id: &str| {
                let schemes = self.scenario.schemes().iter();
                let mut keys = schemes.map(|scheme| scheme.keys(service.name()).unwrap());
                let is_there = |keys: Keys| {
                    let pod = state.pod.as_ref();
                    let text = pod.and_then(|pod| pod.annotation(&keys.annotation));
                    text.is_some_and(|text| text.contains(id))
                };
                if service.entry().wanted == Some(true) {
                    keys.all(is_there)
                } else {
                    keys.any(is_there)
                }
            };
            let is_ours = carries(&format!("{}-{UID}", service.name()));
            let is_said = *service.standing() == Standing::Registered;
            assert!(
                !is_said || is_ours,
                "S6: {}: {:#?}",
                service.name(),
                self.trace
            );
            let is_there = carries(&format!("{}-", service.name()));
            let is_said = service.is_registered();
            assert!(
                !is_said || is_there,
                "S6: {}: {:#?}",
                service.name(),
                self.trace
            );
        }
    }
}

/// S1: the write touches only keys of its own service, and of services that have left.
fn is_allowed(write: &Write, view: &Pod, trace: &[String]) {
    let left = |key: &str| {
        Mark::all(view)
            .any(|(of, mark)| mark.nodes.is_empty() && (of == key || mark.keys.contains(key)))
    };
    let mut services = Vec::new();
    for (key, _) in write.patch.changes() {
        let name = key.rsplit(['/', '-']).next().unwrap();
        if !["type", "micro"].contains(&name) && !left(key) {
            services.push(name.to_owned());
        }
        let is_ours = key.contains("micro");
        assert!(is_ours, "S1: {key} is not ours: {trace:#?}");
    }
    services.dedup();
    assert!(
        services.len() <= 1,
        "S1: one write for {services:?}: {trace:#?}"
    );
}

pub(super) fn merge(
    to: &mut Option<BTreeMap<String, String>>,
    values: &BTreeMap<String, Option<String>>,
) {
    let to = to.get_or_insert_default();
    for (key, value) in values {
        match value {
            Some(value) => drop(to.insert(key.clone(), value.clone())),
            None => drop(to.remove(key)),
        }
    }
}

pub(super) fn observed(pod: &Arc<Pod>, source: Source) -> Event {
    match pod.metadata.uid.as_deref() {
        Some(UID) => Event::Pod(Arc::clone(pod), source),
        _ => Event::Replaced,
    }
}
