//! What the registration tells of itself: `/statusz`, `/metrics`, `/readyz`.

use std::collections::BTreeMap;
use std::time::{Duration, SystemTime};

use serde::Serialize;

/// The registration, at a moment.
#[derive(Clone, Debug)]
pub struct Status {
    /// The pod.
    pub pod: String,
    /// Its namespace.
    pub namespace: String,
    /// What is going on.
    pub state: &'static str,
    /// What is still to be written.
    pub pending: Option<&'static str>,
    /// Since when everything is, or is not, as it should be.
    pub since: SystemTime,
    /// Each service.
    pub services: Vec<Service>,
    /// Whether all are in the registry.
    pub is_registered: bool,
    /// How far its end has come.
    pub end: End,
    /// Whether the pod is in sight.
    pub is_connected: bool,
    /// When it was last in sight.
    pub verified: Option<SystemTime>,
    /// After how long out of sight it is called stale; 0 is never.
    pub ttl: Duration,
    /// How often somebody else replaced what we wrote, or took it away.
    pub foreign_rewrites: u32,
    /// Writes by purpose and outcome.
    pub writes: BTreeMap<(&'static str, &'static str), u64>,
    /// When a write last succeeded.
    pub written: Option<SystemTime>,
    /// What the server last refused, until it does not.
    pub refusal: Option<String>,
}

/// How far the end of a registration has come.
#[derive(Clone, Copy, Debug, Eq, Ord, PartialEq, PartialOrd)]
pub enum End {
    /// There is no thought of it.
    None,
    /// The pod was told to go, or we were.
    Begun,
    /// Nothing of ours is left, for good.
    Over,
}

/// A registration as the page tells programs of it.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Document<'a> {
    state: &'static str,
    doing: &'static str,
    since: String,
    verified: Option<String>,
    connected: bool,
    pod: &'a str,
    namespace: &'a str,
    services: &'a [Service],
    foreign_rewrites: u32,
    last_refusal: Option<&'a str>,
}

/// One service.
#[derive(Clone, Debug, Eq, PartialEq, Serialize)]
pub struct Service {
    /// Its name.
    pub name: String,
    /// `unknown`, `absent`, `registered`, `adopted` or `refused`.
    pub standing: &'static str,
    /// Where clients find it, whose node was adopted, or what is in the way.
    pub detail: Option<String>,
}

// === impl Status ===

impl Status {
    /// Whether nobody knows how the registration stands, for longer than the TTL.
    pub fn is_stale(&self, now: SystemTime) -> bool {
        let unseen = |at: SystemTime| now.duration_since(at).is_ok_and(|unseen| unseen > self.ttl);
        !self.ttl.is_zero() && !self.is_connected && unseen(self.verified.unwrap_or(self.since))
    }

    /// Whether there is something that clients may have seen.
    pub fn was_registered(&self) -> bool {
        self.written.is_some() || self.is_registered
    }

    /// One word for it.
    pub fn word(&self, now: SystemTime) -> &'static str {
        if self.end == End::Over {
            "gone"
        } else if self.end == End::Begun {
            "ending"
        } else if self.is_stale(now) {
            "stale"
        } else if self
            .services
            .iter()
            .any(|service| service.standing == "refused")
        {
            "refused"
        } else if self.is_registered {
            "registered"
        } else if self.refusal.is_some() {
            "waiting"
        } else {
            match self.pending {
                Some("deregister") => "deregistering",
                Some(_) => "registering",
                None => "not registered",
            }
        }
    }

    /// Returns the status as the page shows it to programs.
    pub fn document(&self, now: SystemTime) -> Document<'_> {
        let at = |at: SystemTime| humantime::format_rfc3339_millis(at).to_string();
        Document {
            state: self.word(now),
            doing: self.state,
            since: at(self.since),
            verified: self.verified.map(at),
            connected: self.is_connected,
            pod: &self.pod,
            namespace: &self.namespace,
            services: &self.services,
            foreign_rewrites: self.foreign_rewrites,
            last_refusal: self.refusal.as_deref(),
        }
    }
}

/// A registration, out of sight since 1970.
#[cfg(test)]
pub(crate) fn example() -> Status {
    Status {
        pod: "own-0".into(),
        namespace: "demo".into(),
        state: "idle",
        pending: None,
        since: SystemTime::UNIX_EPOCH,
        services: Vec::new(),
        is_registered: true,
        end: End::None,
        is_connected: false,
        verified: Some(SystemTime::UNIX_EPOCH),
        ttl: Duration::from_secs(90),
        foreign_rewrites: 0,
        writes: [(("register", "ok"), 1)].into(),
        written: None,
        refusal: None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn out_of_sight_for_longer_than_the_ttl_is_stale() {
        let at = |seconds| SystemTime::UNIX_EPOCH + Duration::from_secs(seconds);
        let status = example();
        assert_eq!(
            [at(90), at(91)].map(|now| status.word(now)),
            ["registered", "stale"]
        );
        let never = Status {
            ttl: Duration::ZERO,
            ..status.clone()
        };
        assert_eq!(never.word(at(9_000)), "registered");
        let seen = Status {
            is_connected: true,
            ..status
        };
        assert_eq!(seen.word(at(9_000)), "registered");
    }
}
