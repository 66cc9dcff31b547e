//! Finds the version of a pod by its labels, its owner or its name.
//!
//! | `--version_from` | the pod's owner                 | its version                              |
//! |------------------|---------------------------------|------------------------------------------|
//! | label            | any or none                     | `app.kubernetes.io/version`, `version`   |
//! | owner            | a `ReplicationController`       | the owner's name after its last dash     |
//! |                  | a Deployment                    | this part if it looks like a version,    |
//! |                  |                                 | else the pod-template-hash               |
//! |                  | a `StatefulSet`, a `DaemonSet`  | likewise, else the revision's hash       |
//! |                  | anything else                   | likewise, else none                      |
//! |                  | none                            | the last but one of the parts of the     |
//! |                  |                                 | pod's name between dashes, else none     |
//! | name             | any or none                     | as for a `ReplicationController`         |
//!
//! A name without a dash is its own last part. The hash of a Deployment's pod is also in the label of
//! a controller of another kind, such as `rollouts-pod-template-hash` of Argo Rollouts. It is known by
//! the end of the `ReplicaSet`'s name.
//!
//! Sources: Amalgam8's documentation for the second row, and the code of its registry v0.4.2
//! for the last row but one. The labels are the conventions of Kubernetes and of Istio.

use std::str::FromStr;

use k8s_openapi::apimachinery::pkg::apis::meta::v1::{ObjectMeta, OwnerReference};

/// The sources of a version.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Source {
    /// The pod's labels.
    Label,
    /// The pod's owner, by a rule for each kind of owner.
    Owner,
    /// The last part of the owner's name, even if it does not look like a version.
    Name,
}

/// The labels that may hold the version. The first of them wins.
const LABELS: [&str; 2] = ["app.kubernetes.io/version", "version"];

/// The end of the key of the label that has the hash of the pod's template.
const TEMPLATE_HASH: &str = "pod-template-hash";

/// Returns the version of a pod from the first source that has one.
pub(crate) fn version(pod: &ObjectMeta, sources: &[Source]) -> Option<String> {
    let found = sources.iter().find_map(|source| match source {
        Source::Label => LABELS.into_iter().find_map(|key| label(pod, key)),
        Source::Owner => match owner(pod) {
            Some(owner) => of_owner(pod, owner),
            None => unowned(pod.name.as_deref()?),
        },
        Source::Name => match owner(pod) {
            Some(owner) => Some(last_part(workload(pod, owner))),
            None => Some(last_part(pod.name.as_deref()?.rsplit_once('-')?.0)),
        },
    });
    found.filter(|found| !found.is_empty()).map(str::to_owned)
}

fn of_owner<'a>(pod: &'a ObjectMeta, owner: &'a OwnerReference) -> Option<&'a str> {
    let part = last_part(workload(pod, owner));
    let looks_like_one = Some(part).filter(|part| looks_like_version(part));
    match &*owner.kind {
        "ReplicationController" => Some(part),
        "ReplicaSet" => looks_like_one.or_else(|| template_hash(pod, owner)),
        "StatefulSet" | "DaemonSet" => looks_like_one.or_else(|| {
            // The label of a StatefulSet's pod has the name of the set before the hash.
            let revision = label(pod, "controller-revision-hash")?;
            let hash = revision.strip_prefix(&*owner.name);
            Some(
                hash.and_then(|hash| hash.strip_prefix('-'))
                    .unwrap_or(revision),
            )
        }),
        _ => looks_like_one,
    }
}

/// Returns the name that a person gave. A Deployment's `ReplicaSet` has a hash behind it.
fn workload<'a>(pod: &ObjectMeta, owner: &'a OwnerReference) -> &'a str {
    let hash = template_hash(pod, owner).filter(|_| owner.kind == "ReplicaSet");
    let without = |hash| without_hash(&owner.name, hash);
    hash.and_then(without).unwrap_or(&owner.name)
}

/// Returns the hash that ends the name of the pod's `ReplicaSet`, from the label of its controller;
/// otherwise that of a Deployment.
fn template_hash<'a>(pod: &'a ObjectMeta, owner: &OwnerReference) -> Option<&'a str> {
    let labels = pod.labels.iter().flatten();
    let hashes = labels.filter(|(key, _)| key.ends_with(TEMPLATE_HASH));
    let ends = |hash: &&str| without_hash(&owner.name, hash).is_some();
    let hashes = hashes.map(|(_, hash)| hash.as_str()).filter(ends);
    // A value that ends another one is a part of the hash by chance.
    hashes
        .max_by_key(|hash| hash.len())
        .or_else(|| label(pod, TEMPLATE_HASH))
}

/// Returns the name of a `ReplicaSet` without the hash and its dash.
fn without_hash<'a>(name: &'a str, hash: &str) -> Option<&'a str> {
    let hash = Some(hash).filter(|hash| !hash.is_empty())?;
    name.strip_suffix(hash)?.strip_suffix('-')
}

fn last_part(name: &str) -> &str {
    name.rsplit_once('-').map_or(name, |(_, part)| part)
}

fn unowned(pod: &str) -> Option<&str> {
    let (controller, _) = pod.rsplit_once('-')?;
    Some(controller.rsplit_once('-')?.1)
}

/// Decides whether a part looks like a version, such as `v1`, `2` or `1.4.2-rc`. A version
/// is a digit with an optional v before it and any text after it.
fn looks_like_version(part: &str) -> bool {
    let number = part.strip_prefix('v').unwrap_or(part);
    number.starts_with(|first: char| first.is_ascii_digit())
}

fn owner(pod: &ObjectMeta) -> Option<&OwnerReference> {
    let owners = pod.owner_references.as_ref()?;
    let controls = |owner: &&OwnerReference| owner.controller == Some(true);
    owners.iter().find(controls).or_else(|| owners.first())
}

fn label<'a>(pod: &'a ObjectMeta, key: &str) -> Option<&'a str> {
    let value = pod.labels.as_ref()?.get(key)?;
    Some(value.as_str()).filter(|value| !value.is_empty())
}

// === impl Source ===

impl FromStr for Source {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        match text {
            "label" => Ok(Self::Label),
            "owner" => Ok(Self::Owner),
            "name" => Ok(Self::Name),
            _ => Err("expected label, owner or name, or several with commas"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::Source::{Label, Name, Owner};
    use super::*;

    fn pod(name: &str, owner: &str, labels: &[(&str, &str)]) -> ObjectMeta {
        let owner = owner.split_once('/').map(|(kind, name)| OwnerReference {
            kind: kind.to_owned(),
            name: name.to_owned(),
            controller: Some(true),
            ..OwnerReference::default()
        });
        let labels = labels.iter();
        let labels = labels.map(|(key, value)| ((*key).to_owned(), (*value).to_owned()));
        ObjectMeta {
            name: Some(name.to_owned()),
            owner_references: owner.map(|owner| vec![owner]),
            labels: Some(labels.collect()),
            ..ObjectMeta::default()
        }
    }

    #[test]
    fn each_kind_of_owner_has_its_rule() {
        let hash = [("pod-template-hash", "5d4f8c7b9")];
        let revision = [("controller-revision-hash", "web-6b7c")];
        let (rc, rs) = ("ReplicationController", "ReplicaSet");
        for (name, owner, labels, expected) in [
            (
                "helloworld-v1-aaaaa",
                format!("{rc}/helloworld-v1"),
                &[][..],
                "v1",
            ),
            (
                "helloworld-aaaaa",
                format!("{rc}/helloworld"),
                &[],
                "helloworld",
            ),
            (
                "my-service-aaaaa",
                format!("{rc}/my-service"),
                &[],
                "service",
            ),
            (
                "helloworld-v1-5d4f8c7b9-abcde",
                format!("{rs}/helloworld-v1-5d4f8c7b9"),
                &hash,
                "v1",
            ),
            (
                "my-service-5d4f8c7b9-abcde",
                format!("{rs}/my-service-5d4f8c7b9"),
                &hash,
                "5d4f8c7b9",
            ),
            (
                "helloworld-v1-6d9c5b-abcde",
                format!("{rs}/helloworld-v1-6d9c5b"),
                &[("rollouts-pod-template-hash", "6d9c5b")],
                "v1",
            ),
            (
                "my-service-6d9c5b-abcde",
                format!("{rs}/my-service-6d9c5b"),
                &[
                    ("a.example.com/pod-template-hash", "5b"),
                    ("pod-template-hash", "5d4f8c7b9"),
                    ("rollouts-pod-template-hash", "6d9c5b"),
                    ("z-pod-template-hash", ""),
                ],
                "6d9c5b",
            ),
            (
                "web-abcde",
                format!("{rs}/web"),
                &[("rollouts-pod-template-hash", "6d9c5b")],
                "-",
            ),
            ("web-v2-abcde", format!("{rs}/web-v2"), &[], "v2"),
            ("web-abcde", format!("{rs}/web"), &[], "-"),
            ("web-2-0", "StatefulSet/web-2".to_owned(), &[], "2"),
            ("web-0", "StatefulSet/web".to_owned(), &revision, "6b7c"),
            (
                "log-x9",
                "DaemonSet/log".to_owned(),
                &[("controller-revision-hash", "7f8d")],
                "7f8d",
            ),
            ("job-1-x", "Job/job-1.2".to_owned(), &[], "1.2"),
            ("job-x", "Job/job".to_owned(), &[], "-"),
            ("helloworld-v3-ddddd", String::new(), &[], "v3"),
            ("helloworld-ddddd", String::new(), &[], "-"),
            ("helloworld", String::new(), &[], "-"),
        ] {
            let found = version(&pod(name, &owner, labels), &[Label, Owner]);
            assert_eq!(found.as_deref().unwrap_or("-"), expected, "{name} {owner}");
        }
    }

    #[test]
    fn the_first_source_that_knows_wins() {
        let labels = [
            ("app.kubernetes.io/version", "1.4.2"),
            ("pod-template-hash", "5d4f8c7b9"),
        ];
        let labelled = pod("a-v1-5d4f8c7b9-x", "ReplicaSet/a-v1-5d4f8c7b9", &labels);
        let found = |sources: &[Source]| version(&labelled, sources).unwrap_or_default();
        assert_eq!(found(&[Label, Owner]), "1.4.2");
        assert_eq!(found(&[Owner, Label]), "v1");
        assert_eq!(found(&[]), "");
        let both = [("version", "old"), ("app.kubernetes.io/version", "new")];
        let istio = |labels: &[(&str, &str)]| version(&pod("a", "", labels), &[Label]);
        assert_eq!(istio(&both).as_deref(), Some("new"));
        assert_eq!(istio(&both[..1]).as_deref(), Some("old"));
        assert_eq!(istio(&[("version", "")]), None);
    }

    #[test]
    fn a_name_is_taken_at_its_word() {
        let named =
            |name, owner, labels: &[(&str, &str)]| version(&pod(name, owner, labels), &[Name]);
        let hash = [("pod-template-hash", "5d4f8c7b9")];
        assert_eq!(
            named("a-b-5d4f8c7b9-x", "ReplicaSet/my-service-5d4f8c7b9", &hash).as_deref(),
            Some("service")
        );
        let hash = [("rollouts-pod-template-hash", "6d9c5b")];
        assert_eq!(
            named("a-b-6d9c5b-x", "ReplicaSet/my-service-6d9c5b", &hash).as_deref(),
            Some("service")
        );
        assert_eq!(
            named("web-0", "StatefulSet/web", &[]).as_deref(),
            Some("web")
        );
        assert_eq!(
            named("helloworld-ddddd", "", &[]).as_deref(),
            Some("helloworld")
        );
        assert_eq!(named("helloworld", "", &[]), None);
    }
}
