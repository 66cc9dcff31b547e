//! What our records say: name, version, address, metadata.

use std::collections::BTreeMap;

use crate::registration::address::Told;
use crate::registration::options::Options;
use crate::registry::plan::write::Entry;
use crate::registry::pod::Pod;
use crate::registry::record::{Node, Service};
use crate::registry::scheme::{Keys, Scheme, UnmappableName};

/// Everything that is in a record, but the verdict.
#[derive(Clone, Debug)]
pub struct Facts {
    services: Vec<Named>,
    version: String,
    id: Option<String>,
    metadata: BTreeMap<String, String>,
    /// From `POD_IP`, which wins over what the server says.
    given_ip: Option<String>,
    pod_ip: Option<String>,
    uid: Option<String>,
}

/// What of a service never changes.
#[derive(Clone, Debug)]
struct Named {
    name: String,
    told: Told,
    keys: Vec<(Scheme, Keys)>,
}

// === impl Facts ===

impl Facts {
    /// Of the services by name, with where they are told to be.
    ///
    /// # Errors
    ///
    /// A name that no client could look up.
    pub fn new(
        options: &Options,
        services: Vec<(String, Told)>,
        given_ip: Option<String>,
    ) -> Result<Self, UnmappableName> {
        let schemes = options.register_scheme.schemes();
        let keyed = |(name, told): (String, Told)| {
            let keys = schemes
                .iter()
                .map(|scheme| Ok((*scheme, scheme.keys(&name)?)));
            let keys: Result<Vec<_>, UnmappableName> = keys.collect();
            Ok(Named {
                name,
                told,
                keys: keys?,
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
            given_ip,
            pod_ip: None,
            uid: None,
        })
    }

    /// Takes over what the pod says of itself.
    pub fn see(&mut self, pod: &Pod) {
        self.pod_ip = pod.ips().first().map(|ip| (*ip).to_owned());
        self.uid.clone_from(&pod.metadata.uid);
    }

    /// The names of the services.
    pub fn names(&self) -> impl Iterator<Item = &str> {
        self.services.iter().map(|service| service.name.as_str())
    }

    /// The entries, given each verdict and what each service was found to speak.
    pub fn entries(&self, wanted: &[Option<bool>], speaks: Option<&[&'static str]>) -> Vec<Entry> {
        let ip = self.given_ip.as_deref().or(self.pod_ip.as_deref());
        let entry = |(place, Named { name, told, keys }): (usize, &Named)| {
            let speaks = speaks.and_then(|speaks| speaks.get(place));
            let address = told.with(ip);
            Entry {
                // Without an address there is nothing to tell, and nothing to take away.
                wanted: wanted
                    .get(place)
                    .copied()
                    .flatten()
                    .filter(|wanted| address.is_some() || !wanted),
                record: self.record(
                    name,
                    address.unwrap_or_default(),
                    speaks.copied().unwrap_or_default(),
                ),
                keys: keys.clone(),
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
        // What go-micro's servers say of themselves, which no user's metadata replaces.
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
