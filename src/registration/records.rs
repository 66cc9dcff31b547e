//! Builds the records of the pod's services: name, version, address, metadata.

use std::collections::BTreeMap;
use std::net::IpAddr;
use std::sync::Arc;

use crate::registration::address::AdvertisedAddress;
use crate::registration::options::Options;
use crate::registry::mark::Owner;
use crate::registry::plan::write::{Entry, Ownership};
use crate::registry::pod::Pod;
use crate::registry::record::{Node, Service};
use crate::registry::scheme::{Keys, Scheme, UnmappableName};

/// Builds the records of all services. The verdicts come with each call.
#[derive(Clone, Debug)]
pub(crate) struct RecordBuilder {
    services: Vec<NamedService>,
    version: String,
    id: Option<String>,
    metadata: BTreeMap<String, String>,
    /// The IP in the variable `POD_IP`, which wins over the one in the pod's status.
    given_ip: Option<String>,
    pod_ip: Option<String>,
    uid: Option<String>,
    owner: Owner,
}

/// The parts of a service's record that never change.
#[derive(Clone, Debug)]
struct NamedService {
    name: String,
    advertised: AdvertisedAddress,
    keys: Arc<[(Scheme, Keys)]>,
}

// === impl RecordBuilder ===

impl RecordBuilder {
    /// Makes a builder for services, given their names and addresses, and the address in `POD_IP`.
    ///
    /// # Errors
    ///
    /// [`UnmappableName`] for a name that no client could look up.
    pub(crate) fn new(
        options: &Options,
        services: Vec<(String, AdvertisedAddress)>,
        given_ip: Option<IpAddr>,
        owner: Owner,
    ) -> Result<Self, UnmappableName> {
        let schemes = options.register_scheme.schemes();
        let keyed = |(name, advertised): (String, AdvertisedAddress)| {
            let keys = schemes
                .iter()
                .map(|scheme| Ok((*scheme, scheme.keys(&name)?)));
            let keys: Result<Vec<_>, UnmappableName> = keys.collect();
            Ok(NamedService {
                name,
                advertised,
                keys: keys?.into(),
            })
        };
        Ok(Self {
            services: services
                .into_iter()
                .map(keyed)
                .collect::<Result<_, UnmappableName>>()?,
            version: options.server_version.clone(),
            id: options.server_id.clone(),
            metadata: options.server_metadata.iter().cloned().collect(),
            given_ip: given_ip.map(|ip| ip.to_string()),
            pod_ip: None,
            uid: None,
            owner,
        })
    }

    /// Takes the IP and the uid from the pod.
    pub(crate) fn update_from(&mut self, pod: &Pod) {
        self.pod_ip = pod.ips().first().map(|ip| (*ip).to_owned());
        self.uid.clone_from(&pod.metadata.uid);
    }

    /// Returns the entry of each service, given its verdict and the protocol that it was found to
    /// speak.
    pub(crate) fn entries(
        &self,
        wanted: &[Option<bool>],
        speaks: Option<&[&'static str]>,
    ) -> Vec<Entry> {
        let ip = self.given_ip.as_deref().or(self.pod_ip.as_deref());
        let entry = |(
            place,
            NamedService {
                name,
                advertised,
                keys,
            },
        ): (usize, &NamedService)| {
            let speaks = speaks.and_then(|speaks| speaks.get(place));
            let address = advertised.with_pod_ip(ip);
            Entry {
                // Without an address nothing is registered.
                wanted: wanted
                    .get(place)
                    .copied()
                    .flatten()
                    .filter(|wanted| address.is_some() || !wanted),
                record: Arc::new(self.record(
                    name,
                    address.unwrap_or_default(),
                    speaks.copied().unwrap_or_default(),
                )),
                schemes: Arc::clone(keys),
                ownership: Ownership::Sidecar(self.owner.clone()),
            }
        };
        self.services.iter().enumerate().map(entry).collect()
    }

    fn record(&self, name: &str, address: String, speaks: &str) -> Service {
        let id = self
            .id
            .as_deref()
            .or(self.uid.as_deref())
            .unwrap_or_default();
        let mut metadata = self.metadata.clone();
        // Go-micro's servers write these keys, and a user's metadata does not replace them.
        let (server, transport) = if speaks == "mucp" {
            ("mucp", "http")
        } else {
            ("grpc", "grpc")
        };
        let own = [
            ("broker", "http"),
            ("protocol", server),
            ("registry", "kubernetes"),
            ("server", server),
            ("transport", transport),
        ];
        metadata.extend(own.map(|(key, value)| (key.to_owned(), value.to_owned())));
        Service {
            name: name.to_owned(),
            version: self.version.clone(),
            metadata: None,
            endpoints: Some(Vec::new()),
            nodes: Some(vec![Node {
                id: format!("{name}-{id}"),
                address,
                metadata: Some(metadata),
            }]),
        }
    }
}

#[cfg(test)]
mod tests;
