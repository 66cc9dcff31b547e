//! The probes of the published manifests, read from their files.

use serde_json::Value;

const BASE: &str = include_str!("../../../k8s/base/deployment.yaml");
const README: &str = include_str!("../../../README.md");

/// The kinds of probes that a container may carry.
const PROBES: [&str; 3] = ["startupProbe", "livenessProbe", "readinessProbe"];

/// Returns the pod spec of k8s/base.
pub fn base() -> Value {
    let mut deployment = parse(BASE);
    deployment["spec"]["template"]["spec"].take()
}

/// Returns the part of a pod spec that README.md shows first.
pub fn readme() -> Value {
    let block = README
        .split_once("\n```yaml\n")
        .and_then(|(_, rest)| Some(rest.split_once("```")?.0));
    parse(block.expect("the README must have a block of YAML"))
}

/// Returns a published spec with its native sidecar as a second container. That one has no
/// startupProbe, because the service does not wait for it.
pub fn as_classic(mut published: Value) -> Value {
    let sidecars = published["initContainers"].take();
    let containers = published["containers"].as_array_mut();
    let containers = containers.expect("a spec must have containers");
    for mut sidecar in sidecars.as_array().cloned().unwrap_or_default() {
        sidecar["startupProbe"].take();
        containers.push(sidecar);
    }
    published
}

/// Gives a pod the probes of a published spec, container by container, and the grace period of that spec.
pub fn probed_as(published: &Value, mut pod: Value) -> Value {
    let spec = &mut pod["spec"];
    let grace = "terminationGracePeriodSeconds";
    spec[grace] = published[grace].clone();
    let mut containers: Vec<_> = ["initContainers", "containers"]
        .iter()
        .filter_map(|group| published[group].as_array())
        .flatten()
        .collect();
    for group in ["initContainers", "containers"] {
        for container in spec[group].as_array_mut().into_iter().flatten() {
            let known = containers
                .iter()
                .position(|it| it["name"] == container["name"]);
            let known = known.unwrap_or_else(|| panic!("no {} is published", container["name"]));
            let known = containers.swap_remove(known);
            for probe in PROBES {
                container[probe] = known[probe].clone();
            }
        }
    }
    assert!(
        containers.is_empty(),
        "the pod does not have {containers:?}"
    );
    pod
}

fn parse(yaml: &str) -> Value {
    serde_saphyr::from_str(yaml).unwrap_or_else(|error| panic!("not YAML: {error}\n{yaml}"))
}
