//! What the registration says of itself, in the log and in [`Status`].

use std::collections::BTreeMap;
use std::time::{Duration, SystemTime};

use tracing::{debug, error, info, warn};

use crate::cluster::Refusal;
use crate::registration::facts::Facts;
use crate::registration::own_pod::Observation;
use crate::registration::state::{Phase, State};
use crate::registration::status::{End, Service, Status};
use crate::registry::plan::write::{Purpose, Standing, Write};
use crate::registry::pod::Pod;
use crate::registry::pod_client::PodClient;
use crate::registry::rbac;

/// What was said last, so that each thing is said once.
#[derive(Debug)]
pub struct Report {
    pod: String,
    namespace: String,
    ttl: Duration,
    since: SystemTime,
    was_registered: bool,
    was_stale: bool,
    rounds: u32,
    standings: Vec<Standing>,
    view: View,
    verified: Option<SystemTime>,
    writing: Option<Purpose>,
    writes: BTreeMap<(&'static str, &'static str), u64>,
    written: Option<SystemTime>,
    refusal: Option<Refusal>,
}

/// What is in sight.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum View {
    None,
    Pod,
    Absence,
}

// === impl Report ===

impl Report {
    /// Nothing was said yet.
    pub fn new(own: &PodClient, ttl: Duration) -> Self {
        Self {
            pod: own.name().to_owned(),
            namespace: own.namespace().to_owned(),
            ttl,
            since: SystemTime::now(),
            was_registered: false,
            was_stale: false,
            rounds: 0,
            standings: Vec::new(),
            view: View::None,
            verified: None,
            writing: None,
            writes: BTreeMap::new(),
            written: None,
            refusal: None,
        }
    }

    /// The pod, or why it cannot be seen.
    pub fn sighted(&mut self, sight: &Observation) {
        match sight {
            Observation::Pod(_) | Observation::Begun => {
                if self.view == View::None && self.refusal.is_some() {
                    info!(pod = self.pod, "The pod is in sight again");
                }
                // An absence is still one.
                if matches!(sight, Observation::Pod(_)) || self.view == View::None {
                    self.seen(View::Pod);
                }
            }
            Observation::Absent => {
                if self.view != View::Absence {
                    warn!(
                        pod = self.pod,
                        namespace = self.namespace,
                        "There is no such pod: was it deleted, or is --pod_name another's?"
                    );
                }
                self.seen(View::Absence);
            }
            Observation::Lost(refusal) => {
                self.view = View::None;
                self.refused(refusal);
            }
        }
    }

    fn seen(&mut self, view: View) {
        self.view = view;
        self.refusal = None;
        self.verified = Some(SystemTime::now());
    }

    /// A write that is sent.
    pub fn writing(&mut self, write: &Write) {
        debug!(purpose = write.purpose.name(), keys = ?write.patch.keys(), "Writing");
        self.writing = Some(write.purpose);
    }

    /// Its answer, or that of a read.
    pub fn answered(&mut self, answer: &Result<Box<Pod>, Refusal>) {
        let Some(purpose) = self.writing.take() else {
            return;
        };
        let outcome = answer.as_ref().map_or_else(Refusal::code, |_| "ok");
        *self.writes.entry((purpose.name(), outcome)).or_default() += 1;
        match answer {
            Ok(_) => {
                self.written = Some(SystemTime::now());
                self.refusal = None;
            }
            Err(refusal) => self.refused(refusal),
        }
    }

    /// Said when it is new: the server's own words, and what to do.
    fn refused(&mut self, refusal: &Refusal) {
        let is_known = self.refusal.as_ref().is_some_and(|last| match refusal {
            // Another verb, once somebody has given the first.
            Refusal::Forbidden(_) => last == refusal,
            refusal => last.code() == refusal.code(),
        });
        if is_known {
            return;
        }
        match refusal {
            Refusal::Forbidden(sentence) => {
                let help = rbac::help(sentence, &self.namespace);
                warn!("The registry: {refusal}\n{help}");
            }
            refusal => warn!(
                pod = self.pod,
                remedy = refusal.remedy(),
                "The registry: {refusal}"
            ),
        }
        self.refusal = Some(refusal.clone());
    }

    /// The state after an event.
    pub fn decided(&mut self, state: &State, facts: &Facts) {
        if self.standings != state.standings {
            let none = Standing::Unknown;
            let before = self.standings.iter().chain(std::iter::repeat(&none));
            for ((name, now), before) in facts.names().zip(&state.standings).zip(before) {
                if before != now {
                    say(name, before, now);
                }
            }
            self.standings.clone_from(&state.standings);
        }
        let is_registered = state.is_registered();
        if is_registered != self.was_registered {
            self.since = SystemTime::now();
            self.was_registered = is_registered;
            if is_registered {
                info!(pod = self.pod, namespace = self.namespace, services = ?facts.names().collect::<Vec<_>>(), "Registered");
            } else {
                info!(pod = self.pod, namespace = self.namespace, "Not registered");
            }
        }
        if state.lets_be() && state.rounds != self.rounds {
            warn!(
                pod = self.pod,
                "The service is unhealthy, and somebody registers it again and again, which is left to them: it registers itself, which its --registry=memory would end"
            );
        }
        self.rounds = state.rounds;
        if state.phase == Phase::Gone {
            info!(pod = self.pod, "The registration has ended");
        }
    }

    /// Time has passed.
    pub fn tick(&mut self, state: &State) {
        let now = SystemTime::now();
        if self.view != View::None {
            self.verified = Some(now);
        }
        let is_stale = self.bare(state).is_stale(now);
        if is_stale && !self.was_stale {
            warn!(ttl = ?self.ttl, "The registration is stale: the pod was not in sight for longer than --register_ttl");
        }
        self.was_stale = is_stale;
    }

    /// For the pages.
    pub fn status(&self, state: &State, facts: &Facts) -> Status {
        let services = facts.names().zip(&state.standings).zip(&state.entries).map(
            |((name, standing), entry)| {
                let node = entry.record.nodes.iter().flatten().next();
                let (standing, detail) = match standing {
                    Standing::Unknown => ("unknown", None),
                    Standing::Absent => ("absent", None),
                    Standing::Registered => ("registered", node.map(|node| node.address.clone())),
                    Standing::Adopted { node } => ("adopted", Some(node.clone())),
                    Standing::Refused(taken) => ("refused", Some(taken.to_string())),
                };
                let name = name.to_owned();
                Service {
                    name,
                    standing,
                    detail,
                }
            },
        );
        Status {
            services: services.collect(),
            ..self.bare(state)
        }
    }

    fn bare(&self, state: &State) -> Status {
        Status {
            pod: self.pod.clone(),
            namespace: self.namespace.clone(),
            state: state.phase.name(),
            pending: state.pending().map(Purpose::name),
            since: self.since,
            services: Vec::new(),
            is_registered: state.is_registered(),
            end: match (state.phase, state.ending) {
                (Phase::Gone, _) => End::Over,
                (_, true) => End::Begun,
                (_, false) => End::None,
            },
            is_connected: self.view != View::None,
            verified: self.verified,
            ttl: self.ttl,
            foreign_rewrites: state.foreign_rewrites,
            writes: self.writes.clone(),
            written: self.written,
            refusal: self.refusal.as_ref().map(ToString::to_string),
        }
    }
}

fn say(service: &str, before: &Standing, now: &Standing) {
    match now {
        Standing::Refused(taken) => error!(service, "Not registered: {taken}"),
        Standing::Adopted { node } if *before == Standing::Registered => {
            warn!(
                service,
                node,
                "Somebody else wrote over our registration, which is left to them: --on_foreign=adopt"
            );
        }
        Standing::Adopted { node } => info!(service, node, "Registered already, by somebody else"),
        Standing::Unknown | Standing::Absent | Standing::Registered => {
            debug!(service, ?before, ?now, "The registration changes");
        }
    }
}
