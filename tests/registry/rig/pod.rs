//! The pod `greeter-0` as an operator reads it.

use testkit::cluster::Namespace;

/// Returns the keys of its labels and annotations.
pub async fn keys(namespace: &Namespace) -> Vec<String> {
    let pod = namespace.pod("greeter-0").await;
    let metadata = pod.expect("it must exist").metadata;
    let labels = metadata.labels.into_iter().flatten();
    let annotations = metadata.annotations.into_iter().flatten();
    labels.chain(annotations).map(|(key, _)| key).collect()
}

/// Returns its version, which every write changes.
pub async fn version(namespace: &Namespace) -> String {
    let pod = namespace.pod("greeter-0").await;
    let version = pod.expect("it must exist").metadata.resource_version;
    version.expect("an object must have a version")
}
