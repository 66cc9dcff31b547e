use std::collections::BTreeMap;

use super::write::*;
use super::*;
use crate::registry::record::Node;
use crate::registry::record::Service;
use crate::registry::scheme::Scheme;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta;

const TYPE: &str = "micro.mu/type";
const SELECTOR: &str = "micro.mu/selector-greeter";
const RECORD: &str = "micro.mu/service-greeter";
const MARK: &str = "registration.micro-health/greeter";

fn node(id: &str, address: &str) -> Node {
    Node {
        id: id.into(),
        address: address.into(),
        metadata: None,
    }
}

fn record(name: &str, nodes: &[Node]) -> Service {
    Service {
        name: name.into(),
        version: "latest".into(),
        metadata: None,
        endpoints: Some(Vec::new()),
        nodes: Some(nodes.to_vec()),
    }
}

fn entry(name: &str, port: u16, wanted: Option<bool>) -> Entry {
    let node = node(&format!("{name}-uid"), &format!("10.1.0.7:{port}"));
    let keys = [(Scheme::MicroMu, Scheme::MicroMu.keys(name).unwrap())];
    Entry {
        record: record(name, &[node]).into(),
        schemes: keys.into(),
        wanted,
        ownership: Ownership::Sidecar(Owner::sidecar(8080)),
    }
}

/// Returns the entry as another sidecar of the pod has it.
fn of_port(port: u16, entry: Entry) -> Entry {
    let ownership = Ownership::Sidecar(Owner::sidecar(port));
    Entry { ownership, ..entry }
}

fn without(pod: &Pod, key: &str) -> Pod {
    let gone = [(key.to_owned(), None)].into();
    let patch = Patch {
        annotations: gone,
        ..Patch::default()
    };
    written(pod, &patch)
}

fn greeter(wanted: bool) -> Vec<Entry> {
    vec![entry("greeter", 9091, Some(wanted))]
}

/// A pod with these labels and annotations.
fn pod(labels: &[(&str, &str)], annotations: &[(&str, &str)]) -> Pod {
    let map = |pairs: &[(&str, &str)]| {
        Some(
            pairs
                .iter()
                .map(|(key, value)| ((*key).into(), (*value).into()))
                .collect(),
        )
    };
    Pod {
        metadata: ObjectMeta {
            labels: map(labels),
            annotations: map(annotations),
            ..ObjectMeta::default()
        },
        status: None,
    }
}

/// The pod as the API server would leave it.
fn written(pod: &Pod, patch: &Patch) -> Pod {
    let mut pod = pod.clone();
    let apply = |to: &mut Option<BTreeMap<String, String>>,
                 values: &BTreeMap<String, Option<String>>| {
        let to = to.get_or_insert_default();
        for (key, value) in values {
            match value {
                Some(value) => drop(to.insert(key.clone(), value.clone())),
                None => drop(to.remove(key)),
            }
        }
    };
    apply(&mut pod.metadata.labels, &patch.labels);
    apply(&mut pod.metadata.annotations, &patch.annotations);
    pod
}

/// Writes until the plan is empty, and returns the purpose of each write.
fn settle(pod: &mut Pod, entries: &[Entry], on_foreign: OnForeign) -> String {
    let mut purposes = Vec::new();
    let next = |pod: &Pod| {
        entries
            .iter()
            .find_map(|entry| plan(pod, entry, on_foreign).write)
    };
    while let Some(write) = next(pod) {
        purposes.push(write.purpose.name());
        *pod = written(pod, &write.patch);
        assert!(purposes.len() < 8, "it does not settle: {purposes:?}");
    }
    purposes.join(", ")
}

fn keys(pod: &Pod) -> Vec<&str> {
    let metadata = &pod.metadata;
    metadata
        .labels
        .iter()
        .flatten()
        .chain(metadata.annotations.iter().flatten())
        .map(|(key, _)| key.as_str())
        .collect()
}

fn adopt(pod: &mut Pod, entries: &[Entry]) -> String {
    settle(pod, entries, OnForeign::Adopt)
}

#[test]
fn a_registration_is_two_writes_and_its_end_is_one() {
    let mut here = pod(&[("app", "g")], &[]);
    assert_eq!(adopt(&mut here, &greeter(true)), "register, announce");
    assert_eq!(keys(&here), ["app", SELECTOR, TYPE, RECORD, MARK]);
    assert_eq!(
        here.annotation(RECORD),
        Some(&*entry("greeter", 9091, None).record.to_json())
    );
    assert_eq!(adopt(&mut here, &greeter(true)), "");
    assert_eq!(adopt(&mut here, &greeter(false)), "deregister");
    assert_eq!(keys(&here), ["app"]);
    assert_eq!(adopt(&mut here, &greeter(false)), "");
}

#[test]
fn the_first_write_makes_lookups_work_and_the_second_is_the_mark_alone() {
    let here = pod(&[], &[]);
    let greeter = &greeter(true)[0];
    let first = plan(&here, greeter, OnForeign::Adopt).write.unwrap();
    assert_eq!(first.patch.keys(), [SELECTOR, RECORD, TYPE, MARK].into());
    let second = plan(&written(&here, &first.patch), greeter, OnForeign::Adopt);
    let second = second.write.unwrap();
    assert_eq!(second.patch.keys(), [MARK].into());
    let body = String::from_utf8(second.patch.body("uid-1")).unwrap();
    assert!(
        body.starts_with(
            r#"{"metadata":{"annotations":{"registration.micro-health/greeter":"{\"service\":"#
        ),
        "{body}"
    );
    assert!(
        body.ends_with(r#""uid":"uid-1"}}"#) && !body.contains("status"),
        "{body}"
    );
}

#[test]
fn drift_is_one_repair_and_lost_labels_are_announced_again() {
    let mut registered = pod(&[], &[]);
    adopt(&mut registered, &greeter(true));
    let changed = |key: &str, value: Option<&str>| {
        let change = [(key.to_owned(), value.map(str::to_owned))].into();
        let is_label = key == TYPE || key == SELECTOR;
        let (labels, annotations) = if is_label {
            (change, BTreeMap::new())
        } else {
            (BTreeMap::new(), change)
        };
        written(
            &registered,
            &Patch {
                labels,
                annotations,
            },
        )
    };
    for (key, value, expected) in [
        (RECORD, None, "register, announce"),
        (SELECTOR, None, "register, announce"),
        (TYPE, None, "register, announce"),
        (SELECTOR, Some(""), "register, announce"),
        (RECORD, Some("not json"), "repair"),
        (
            RECORD,
            Some(
                r#"{"name":"greeter","version":"old","nodes":[{"id":"greeter-uid","address":"10.1.0.7:9091"}]}"#,
            ),
            "repair",
        ),
        (MARK, None, "announce"),
        ("kubectl.kubernetes.io/restartedAt", Some("now"), ""),
    ] {
        let mut here = changed(key, value);
        assert_eq!(
            adopt(&mut here, &greeter(true)),
            expected,
            "{key} {value:?}"
        );
        assert_eq!(here.annotation(RECORD), registered.annotation(RECORD));
    }
    // Once the mark was lost, the labels count as not ours: they stay at the end.
    let mut here = changed(MARK, None);
    adopt(&mut here, &greeter(true));
    adopt(&mut here, &greeter(false));
    assert_eq!(keys(&here), [SELECTOR, TYPE]);
}

#[test]
fn another_generations_order_is_no_drift() {
    let mut here = pod(&[], &[]);
    adopt(&mut here, &greeter(true));
    let order_c = r#"{"name":"greeter","version":"latest","metadata":null,"endpoints":null,"nodes":[{"metadata":null,"id":"greeter-uid","address":"10.1.0.7:9091"}]}"#;
    let order_c = [(RECORD.to_owned(), Some(order_c.to_owned()))].into();
    here = written(
        &here,
        &Patch {
            annotations: order_c,
            ..Patch::default()
        },
    );
    assert_eq!(adopt(&mut here, &greeter(true)), "");
}

#[test]
fn labels_of_the_pods_template_stay() {
    let mut here = pod(&[(TYPE, "service"), (SELECTOR, "service")], &[]);
    assert_eq!(adopt(&mut here, &greeter(true)), "register, announce");
    assert_eq!(adopt(&mut here, &greeter(false)), "deregister");
    assert_eq!(keys(&here), [SELECTOR, TYPE]);
}

#[test]
fn the_selector_label_goes_with_the_last_service() {
    let other = |wanted| entry("other", 9092, Some(wanted));
    for other_port in [8080, 8081] {
        let both = |a, b| {
            let greeter = entry("greeter", 9091, Some(a));
            [greeter, of_port(other_port, other(b))]
        };
        let mut here = pod(&[], &[]);
        assert_eq!(
            adopt(&mut here, &both(true, true)),
            "register, announce, register, announce"
        );
        assert_eq!(adopt(&mut here, &both(false, true)), "deregister");
        let left = [
            SELECTOR,
            "micro.mu/selector-other",
            TYPE,
            "micro.mu/service-other",
            MARK,
            "registration.micro-health/other",
        ];
        assert_eq!(keys(&here), left);
        // The last one takes along what the first one had to leave, even if its sidecar is gone.
        assert_eq!(adopt(&mut here, &both(false, false)[1..]), "deregister");
        assert_eq!(keys(&here), Vec::<&str>::new());
    }
}

#[test]
fn the_service_of_another_writer_keeps_its_labels() {
    let other = record("other", &[node("other-go", "10.1.0.7:7070")]).to_json();
    let labels = [(TYPE, "service"), ("micro.mu/selector-other", "service")];
    let mut here = pod(&labels, &[("micro.mu/service-other", &other)]);
    let before = here.clone();
    assert_eq!(adopt(&mut here, &greeter(true)), "register, announce");
    assert_eq!(adopt(&mut here, &greeter(false)), "deregister");
    let left = [
        SELECTOR,
        "micro.mu/selector-other",
        TYPE,
        "micro.mu/service-other",
        MARK,
    ];
    assert_eq!(keys(&here), left);
    // Our selector label goes with the last service, whenever that is.
    here = without(&here, "micro.mu/service-other");
    assert_eq!(adopt(&mut here, &greeter(false)), "deregister");
    assert_eq!(keys(&here), keys(&before)[..2]);
}

#[test]
fn before_the_first_verdict_nothing_changes() {
    let mut here = pod(&[], &[]);
    assert_eq!(adopt(&mut here, &[entry("greeter", 9091, None)]), "");
    adopt(&mut here, &greeter(true));
    assert_eq!(adopt(&mut here, &[entry("greeter", 9091, None)]), "");
}

mod foreign;
mod owners;
