//! A snapshot of every service with its instances.

use std::cmp::Reverse;
use std::collections::BTreeMap;

use crate::catalog::endpoint::{Endpoint, Status};
use crate::catalog::instance::Instance;
use crate::catalog::version::{Source, version};

use k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta;

/// The services by name, each with its instances by address.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct Services(BTreeMap<String, Vec<Instance>>);

/// The known facts about a pod.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(super) struct Pod {
    pub(super) uid: Option<String>,
    pub(super) version: Option<String>,
}

// === impl Services ===

impl Services {
    /// Combines endpoints and pods. Two slices may repeat an endpoint, and a pod with two IP
    /// families has one id. Of two instances with one id the better stays. Of two equally good
    /// ones the IPv4 instance stays.
    pub(super) fn new<'a>(
        endpoints: impl IntoIterator<Item = (&'a str, &'a [Endpoint])>,
        pods: &BTreeMap<String, Pod>,
        sources: &[Source],
    ) -> Self {
        let mut services: BTreeMap<String, BTreeMap<String, Instance>> = BTreeMap::new();
        for (service, endpoints) in endpoints {
            for endpoint in endpoints {
                let version = version_of(endpoint, pods, sources);
                let instance = Instance::new(endpoint, version.as_deref());
                let instances = services.entry(service.to_owned()).or_default();
                let better = |there: &Instance| rank(there) <= rank(&instance);
                if !instances.get(&instance.id).is_some_and(better) {
                    instances.insert(instance.id.clone(), instance);
                }
            }
        }
        let by_address = services.into_iter().map(|(service, instances)| {
            let mut instances: Vec<_> = instances.into_values().collect();
            instances.sort_by_key(|instance| instance.address);
            (service, instances)
        });
        Self(by_address.collect())
    }

    /// Returns all services in the order of their names, with all instances. A service without
    /// a callable instance is included.
    pub fn iter(&self) -> impl Iterator<Item = (&str, &[Instance])> {
        let services = self.0.iter();
        services.map(|(name, instances)| (name.as_str(), instances.as_slice()))
    }

    /// Returns the instances of one service that clients may call, or `None` if no such service
    /// is known.
    pub fn up(&self, service: &str) -> Option<Vec<&Instance>> {
        let instances = self.0.get(service)?.iter();
        Some(instances.filter(|it| it.status == Status::Up).collect())
    }

    /// Returns each service that has a callable instance, with its callable instances.
    pub fn all_up(&self) -> impl Iterator<Item = (&str, Vec<&Instance>)> {
        let services = self.0.keys();
        let services = services.filter_map(|name| Some((name.as_str(), self.up(name)?)));
        services.filter(|(_, instances)| !instances.is_empty())
    }
}

/// Returns the sort key of instances with one id. The least stays.
fn rank(instance: &Instance) -> impl Ord + use<> {
    let address = instance.address;
    (instance.status, Reverse(address.is_ipv4()), address)
}

fn version_of(
    endpoint: &Endpoint,
    pods: &BTreeMap<String, Pod>,
    sources: &[Source],
) -> Option<String> {
    let pod = endpoint.pod.as_ref()?;
    let known = pods.get(&pod.name).filter(|known| {
        // A new pod with the same name may have another version.
        known.uid.is_none() || pod.uid.is_none() || known.uid == pod.uid
    });
    if let Some(known) = known {
        return known.version.clone();
    }
    // A slice can arrive before its pod, or outlive it. Then only the pod's name is known.
    let unowned = ObjectMeta {
        name: Some(pod.name.clone()),
        ..ObjectMeta::default()
    };
    version(&unowned, sources)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::catalog::endpoint::{self, Kind};

    fn endpoint(pod: &str, address: &str, status: Status) -> Endpoint {
        let uid = Some(format!("uid-{pod}"));
        let name = pod.to_owned();
        Endpoint {
            address: address.parse().unwrap(),
            kind: Kind::Tcp,
            app_protocol: None,
            status,
            pod: Some(endpoint::Pod { name, uid }),
        }
    }

    fn pods(versions: &[(&str, &str)]) -> BTreeMap<String, Pod> {
        let pod = |(name, version): &(&str, &str)| {
            let (uid, version) = (Some(format!("uid-{name}")), Some((*version).to_owned()));
            ((*name).to_owned(), Pod { uid, version })
        };
        versions.iter().map(pod).collect()
    }

    fn summaries(services: &Services) -> Vec<String> {
        let mut summaries = Vec::new();
        for (name, instances) in services.iter() {
            for it in instances {
                let status = it.status.as_str();
                summaries.push(format!("{name} {} {status} {}", it.address, it.group()));
            }
        }
        summaries
    }

    const BOTH: [Source; 2] = [Source::Label, Source::Owner];

    #[test]
    fn slices_of_a_service_are_one_service() {
        let a = [endpoint("w-v1-a", "10.0.0.2:80", Status::Up)];
        let b = [
            endpoint("w-v1-a", "10.0.0.2:80", Status::Starting),
            endpoint("w-v2-b", "10.0.0.1:80", Status::Starting),
        ];
        let other = [endpoint("w-v2-b", "10.0.0.1:80", Status::OutOfService)];
        let all = [("web", &a[..]), ("web", &b[..]), ("other", &other[..])];
        let services = Services::new(all, &pods(&[("w-v1-a", "1"), ("w-v2-b", "2")]), &BOTH);
        assert_eq!(
            summaries(&services),
            [
                "other 10.0.0.1:80 OUT_OF_SERVICE 2,kubernetes",
                "web 10.0.0.1:80 STARTING 2,kubernetes",
                "web 10.0.0.2:80 UP 1,kubernetes",
            ]
        );
        let up: Vec<_> = services
            .all_up()
            .map(|(name, up)| (name, up.len()))
            .collect();
        assert_eq!(up, [("web", 1)]);
        assert_eq!(services.up("other"), Some(Vec::new()));
        assert_eq!(services.up("none"), None);
    }

    #[test]
    fn a_pod_of_two_families_is_one_instance() {
        let v6 = [endpoint("w-v1-a", "[fd00::1]:80", Status::Up)];
        let v4 = [endpoint("w-v1-a", "10.0.0.2:80", Status::Up)];
        for all in [
            [("w", &v6[..]), ("w", &v4[..])],
            [("w", &v4[..]), ("w", &v6[..])],
        ] {
            let services = Services::new(all, &BTreeMap::new(), &BOTH);
            assert_eq!(summaries(&services), ["w 10.0.0.2:80 UP v1,kubernetes"]);
        }
    }

    #[test]
    fn a_pod_made_again_is_another_one() {
        let endpoints = [endpoint("web-v1-a", "10.0.0.2:80", Status::Up)];
        let mut known = pods(&[("web-v1-a", "new")]);
        let services = |known: &_| summaries(&Services::new([("w", &endpoints[..])], known, &BOTH));
        assert_eq!(services(&known), ["w 10.0.0.2:80 UP new,kubernetes"]);
        for pod in known.values_mut() {
            pod.uid = Some("another".to_owned());
        }
        assert_eq!(services(&known), ["w 10.0.0.2:80 UP v1,kubernetes"]);
    }
}
