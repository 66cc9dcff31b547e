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
use std::net::SocketAddr;
use std::sync::Arc;

use serde::Serialize;

use crate::resolver::slice::{self, EndpointSlice};
use crate::resolver::target::Port;

/// The slices of one Service, by name.
pub(crate) type Slices = BTreeMap<String, EndpointSlice>;

/// The endpoints of a target: the union of all slices of its Service, at its port.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct Union {
    /// Every endpoint that has the port, ready or not, by address.
    pub endpoints: BTreeMap<SocketAddr, Arc<Endpoint>>,
    /// Every TCP port there is.
    pub ports: BTreeSet<SlicePort>,
    /// The number of slices.
    pub slices: usize,
    /// Tells that a slice has an endpoint, on whichever port.
    pub is_filled: bool,
    /// Tells that a slice has an endpoint whose address is a name (FQDN).
    pub(crate) has_names: bool,
}

/// An endpoint of a Service.
#[derive(Clone, Debug, Eq, PartialEq, Serialize)]
pub struct Endpoint {
    /// The address on which the endpoint listens.
    pub address: SocketAddr,
    /// Tells that the endpoint should get new requests.
    pub ready: bool,
    /// Tells that the endpoint answers requests, although it may be terminating.
    pub serving: bool,
    /// Tells that the endpoint is terminating.
    pub terminating: bool,
    /// The name of its pod.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub pod: Option<Arc<str>>,
    /// The name of its node.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub node: Option<Arc<str>>,
    /// The zone of its node.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub zone: Option<Arc<str>>,
    /// The slices it is in, by name.
    pub slices: Vec<Arc<str>>,
}

/// A TCP port of a slice.
#[derive(Clone, Debug, Eq, Ord, PartialEq, PartialOrd)]
pub struct SlicePort {
    /// The name of the port; empty where it has none.
    pub name: String,
    /// 1–65535.
    pub number: u16,
}

// === impl Union ===

impl Union {
    /// Makes the union of these slices, at this port.
    pub(crate) fn of<'a>(slices: impl IntoIterator<Item = &'a EndpointSlice>, port: &Port) -> Self {
        let mut union = Self::default();
        for slice in slices {
            union.count(slice);
            for endpoint in at(slice, port) {
                union.add(endpoint);
            }
        }
        union
    }

    /// Takes in that the slice of this name was like that before and is now as `slices`
    /// have it: at the cost of that one, and not of all.
    pub(crate) fn replace(
        &mut self,
        name: &str,
        before: Option<&EndpointSlice>,
        slices: &Slices,
        port: &Port,
    ) {
        let now = slices.get(name);
        // The other slices that an endpoint is in: while it moves there are two.
        let mut others = BTreeMap::<SocketAddr, BTreeSet<Arc<str>>>::new();
        let touched = [before, now].into_iter().flatten();
        for address in touched.flat_map(|slice| addresses(slice, port)) {
            let others = others.entry(address).or_default();
            if let Some(gone) = self.endpoints.remove(&address) {
                let else_where = gone.slices.iter().filter(|it| ***it != *name);
                others.extend(else_where.cloned());
            }
        }
        for endpoint in now.into_iter().flat_map(|slice| at(slice, port)) {
            if others.get(&endpoint.address).is_none_or(BTreeSet::is_empty) {
                self.add(endpoint);
            }
        }
        for (address, mut others) in others {
            if others.is_empty() {
                continue;
            }
            others.insert(name.into());
            // In their order, as ever: the first of two that are as ready counts.
            let slices = others.iter().filter_map(|name| slices.get(&**name));
            let endpoints = slices.flat_map(|slice| at(slice, port));
            for endpoint in endpoints.filter(|it| it.address == address) {
                self.add(endpoint);
            }
        }
        (self.slices, self.is_filled, self.has_names) = (0, false, false);
        self.ports.clear();
        for slice in slices.values() {
            self.count(slice);
        }
    }

    /// Returns the ready endpoints, by address.
    pub fn ready(&self) -> impl Iterator<Item = &Endpoint> {
        self.candidates(false)
    }

    /// Returns the ready endpoints, and on request those that may still become ready. An endpoint
    /// that is terminating will not.
    pub(crate) fn candidates(&self, include_not_ready: bool) -> impl Iterator<Item = &Endpoint> {
        let fits = move |endpoint: &&Endpoint| {
            endpoint.ready || (include_not_ready && !endpoint.terminating)
        };
        self.endpoints.values().map(|it| &**it).filter(fits)
    }

    /// Counts a slice, whether or not it has the port.
    fn count(&mut self, slice: &EndpointSlice) {
        self.slices += 1;
        if slice.has_names() {
            self.has_names |= !slice.endpoints.is_empty();
            return;
        }
        self.is_filled |= !slice.endpoints.is_empty();
        let tcp = slice.ports.iter().filter(|port| port.is_tcp());
        self.ports.extend(tcp.filter_map(|port| {
            let name = port.name().to_owned();
            port.port.map(|number| SlicePort { name, number })
        }));
    }

    /// An endpoint moves from slice to slice and is in two of them for a while.
    fn add(&mut self, mut endpoint: Endpoint) {
        let Some(known) = self.endpoints.get_mut(&endpoint.address) else {
            self.endpoints.insert(endpoint.address, Arc::new(endpoint));
            return;
        };
        let both: BTreeSet<_> = known
            .slices
            .iter()
            .chain(&endpoint.slices)
            .cloned()
            .collect();
        let rank = |it: &Endpoint| (it.ready, it.serving, !it.terminating);
        if rank(&endpoint) <= rank(known) {
            endpoint = Endpoint::clone(known);
        }
        endpoint.slices = both.into_iter().collect();
        *known = Arc::new(endpoint);
    }
}

/// The number of a slice's port, if it has this one.
fn number(slice: &EndpointSlice, port: &Port) -> Option<u16> {
    let mut tcp = slice.ports.iter().filter(|port| port.is_tcp());
    match port {
        Port::Number(number) => Some(*number),
        Port::First => tcp.find_map(|port| port.port),
        Port::Name(name) => tcp
            .find(|port| port.name() == name)
            .and_then(|port| port.port),
    }
}

/// The endpoints of a slice at a port, each with its address.
fn dialled<'a>(
    slice: &'a EndpointSlice,
    port: &Port,
) -> impl Iterator<Item = (SocketAddr, &'a slice::Endpoint)> {
    let number = number(slice, port);
    let is_ipv4 = match &*slice.address_type {
        "IPv4" => Some(true),
        "IPv6" => Some(false),
        _ => None,
    };
    // Its address, if it is one that its slice may hold.
    let address = move |endpoint: &slice::Endpoint| {
        let address = endpoint.address.filter(|ip| Some(ip.is_ipv4()) == is_ipv4);
        Some(SocketAddr::new(address?, number?))
    };
    let endpoints = slice.endpoints.iter();
    endpoints.filter_map(move |endpoint| Some((address(endpoint)?, endpoint)))
}

fn addresses(slice: &EndpointSlice, port: &Port) -> impl Iterator<Item = SocketAddr> {
    dialled(slice, port).map(|(address, _)| address)
}

fn at(slice: &EndpointSlice, port: &Port) -> impl Iterator<Item = Endpoint> {
    let slices: Option<Arc<str>> = slice.metadata.name.as_deref().map(Arc::from);
    dialled(slice, port)
        .map(move |(address, endpoint)| Endpoint::new(address, endpoint, slices.clone()))
}

// === impl Endpoint ===

impl Endpoint {
    fn new(address: SocketAddr, endpoint: &slice::Endpoint, slice: Option<Arc<str>>) -> Self {
        let conditions = endpoint.conditions;
        let pod = endpoint.target_ref.as_ref();
        Self {
            address,
            ready: conditions.ready.unwrap_or(true),
            serving: conditions.serving.unwrap_or(true),
            terminating: conditions.terminating.unwrap_or(false),
            pod: pod
                .filter(|it| it.kind == slice::Kind::Pod)
                .map(|it| Arc::clone(&it.name)),
            node: endpoint.node_name.clone(),
            zone: endpoint.zone.clone(),
            slices: slice.into_iter().collect(),
        }
    }
}

// === impl SlicePort ===

impl SlicePort {
    /// Returns the port as a target names it.
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
