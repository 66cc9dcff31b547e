//! The endpoints of a Service: the union of its slices.
//!
//! | a slice or endpoint                 | counts                                       |
//! |-------------------------------------|----------------------------------------------|
//! | of type IPv4 or IPv6                | yes; FQDN does not                           |
//! | `addresses`                         | the first; the others have no meaning        |
//! | `ready`, `serving` missing          | as true                                      |
//! | `terminating` missing               | as false                                     |
//! | the same address and port twice     | once, as the readier of the two              |
//! | no TCP port of the name             | not at all                                   |
//!
//! Source: the texts of discovery.k8s.io/v1, and what kuberesolver gets wrong
//! (its issue 66 and others).

use std::collections::{BTreeMap, BTreeSet};
use std::net::{IpAddr, SocketAddr};

use serde::Serialize;

use super::slice::{self, EndpointSlice};
use super::target::Port;

/// The slices of one Service, by name.
pub type Slices = BTreeMap<String, EndpointSlice>;

/// What a target stands for.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct Union {
    /// Every endpoint that has the port, ready or not, by address.
    pub endpoints: BTreeMap<SocketAddr, Endpoint>,
    /// Every TCP port there is.
    pub ports: BTreeSet<SlicePort>,
    /// How many slices there are.
    pub slices: usize,
    /// Whether there is an endpoint in one of them, on whichever port.
    pub is_filled: bool,
}

/// One endpoint of a Service.
#[derive(Clone, Debug, Eq, PartialEq, Serialize)]
pub struct Endpoint {
    /// Where it listens.
    pub address: SocketAddr,
    /// Whether it should be asked.
    pub ready: bool,
    /// Whether it can be asked, though it may be about to go.
    pub serving: bool,
    /// Whether it is about to go.
    pub terminating: bool,
    /// Its pod.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub pod: Option<String>,
    /// Its node.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub node: Option<String>,
    /// Its zone.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub zone: Option<String>,
    /// The slices it is in.
    pub slices: BTreeSet<String>,
}

/// A TCP port of a slice.
#[derive(Clone, Debug, Eq, Ord, PartialEq, PartialOrd)]
pub struct SlicePort {
    /// Empty where it has none.
    pub name: String,
    /// 1–65535.
    pub number: u16,
}

// === impl Union ===

impl Union {
    /// Of these slices, at this port.
    pub fn of<'a>(slices: impl IntoIterator<Item = &'a EndpointSlice>, port: &Port) -> Self {
        let mut union = Self::default();
        for slice in slices {
            union.slices += 1;
            union.take(slice, port);
        }
        union
    }

    /// The endpoints to ask: the ready ones, and if wanted those that may still become
    /// it. One that goes will not.
    pub fn considered(&self, include_not_ready: bool) -> impl Iterator<Item = &Endpoint> {
        let fits = move |endpoint: &&Endpoint| {
            endpoint.ready || (include_not_ready && !endpoint.terminating)
        };
        self.endpoints.values().filter(fits)
    }

    fn take(&mut self, slice: &EndpointSlice, port: &Port) {
        self.is_filled |= !slice.endpoints.is_empty();
        let tcp = || slice.ports.iter().filter(|port| port.is_tcp());
        self.ports.extend(tcp().filter_map(|port| {
            let name = port.name().to_owned();
            port.port.map(|number| SlicePort { name, number })
        }));
        let number = match port {
            Port::Number(number) => Some(*number),
            Port::First => tcp().find_map(|port| port.port),
            Port::Name(name) => tcp()
                .find(|port| port.name() == name)
                .and_then(|port| port.port),
        };
        let Some(number) = number else { return };
        for endpoint in &slice.endpoints {
            if let Some(ip) = address(slice, endpoint) {
                let address = SocketAddr::new(ip, number);
                self.add(Endpoint::new(address, endpoint, slice));
            }
        }
    }

    /// An endpoint moves from slice to slice and is in two of them for a while.
    fn add(&mut self, endpoint: Endpoint) {
        let Some(known) = self.endpoints.get_mut(&endpoint.address) else {
            self.endpoints.insert(endpoint.address, endpoint);
            return;
        };
        let slices = &known.slices | &endpoint.slices;
        let rank = |it: &Endpoint| (it.ready, it.serving, !it.terminating);
        if rank(&endpoint) > rank(known) {
            *known = endpoint;
        }
        known.slices = slices;
    }
}

/// Its address, if it is one that its slice may hold.
fn address(slice: &EndpointSlice, endpoint: &slice::Endpoint) -> Option<IpAddr> {
    let ip: IpAddr = endpoint.addresses.first()?.parse().ok()?;
    let family = if ip.is_ipv4() { "IPv4" } else { "IPv6" };
    (slice.address_type == family).then_some(ip)
}

// === impl Endpoint ===

impl Endpoint {
    fn new(address: SocketAddr, endpoint: &slice::Endpoint, slice: &EndpointSlice) -> Self {
        let conditions = endpoint.conditions;
        let pod = endpoint.target_ref.as_ref();
        Self {
            address,
            ready: conditions.ready.unwrap_or(true),
            serving: conditions.serving.unwrap_or(true),
            terminating: conditions.terminating.unwrap_or(false),
            pod: pod.filter(|it| it.kind == "Pod").map(|it| it.name.clone()),
            node: endpoint.node_name.clone(),
            zone: endpoint.zone.clone(),
            slices: slice.metadata.name.iter().cloned().collect(),
        }
    }
}

// === impl SlicePort ===

impl SlicePort {
    /// As a target asks for it.
    pub fn port(&self) -> Port {
        match &*self.name {
            "" => Port::Number(self.number),
            name => Port::Name(name.to_owned()),
        }
    }
}

impl std::fmt::Display for SlicePort {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match &*self.name {
            "" => write!(f, "{}", self.number),
            name => write!(f, "{name}({})", self.number),
        }
    }
}

#[cfg(test)]
pub(super) mod tests;
