use crate::cluster::watch::Event::{Changed, Deleted, Item, Listed, Listing};
use serde_json::json;

use super::*;

/// `pod`, or `pod!` if it is not Ready, with `service version id@address` of each service.
fn pod(name: &str, services: &[&str]) -> Pod {
    let record = |text: &&str| {
        let words: Vec<_> = text.split(' ').collect();
        let [service, version, nodes @ ..] = &words[..] else {
            return ("micro.mu/service-bad".to_owned(), json!(text));
        };
        let node = |node: &&str| {
            let (id, address) = node.split_once('@').expect("must have an address");
            json!({"id": id, "address": address})
        };
        let nodes: Vec<_> = nodes.iter().map(node).collect();
        let record = json!({"name": service, "version": version, "nodes": nodes});
        (
            format!("micro.mu/service-{service}"),
            json!(record.to_string()),
        )
    };
    let (uid, ready) = match name.strip_suffix('!') {
        Some(name) => (name, "False"),
        None => (name, "True"),
    };
    let annotations: serde_json::Map<_, _> = services.iter().map(record).collect();
    serde_json::from_value(json!({
        "metadata": {"name": uid, "uid": uid, "annotations": annotations},
        "status": {"phase": "Running", "conditions": [{"type": "Ready", "status": ready}]},
    }))
    .expect("must be a pod")
}

fn all() -> View {
    View::new(None, false)
}

/// Applies events and returns each change as `action service version nodes`.
fn changes(view: &mut View, events: impl IntoIterator<Item = watch::Event<Pod>>) -> Vec<String> {
    let line = |event: Event| {
        let (action, service) = (event.action, event.service);
        let mut words = vec![action.name(), &service.name, &service.version];
        let nodes = service.nodes.iter().flatten();
        words.extend(nodes.map(|node| &*node.id));
        words.join(" ")
    };
    let events = events
        .into_iter()
        .flat_map(|event| view.apply(Scheme::MicroMu, event).events);
    events.map(line).collect()
}

#[test]
fn the_first_list_creates_its_services() {
    let started = [
        Listing,
        Item(pod("a", &["greeter 1 g-a@1:1"])),
        Item(pod("b", &["greeter 1 g-b@2:1", "other 1"])),
        Item(pod("c!", &["third 1"])),
        Listed,
    ];
    assert_eq!(
        changes(&mut all(), started),
        ["create greeter 1 g-a g-b", "create other 1"]
    );
}

#[test]
fn an_event_comes_out_only_for_a_change_by_value() {
    let mut view = all();
    for (event, expected) in [
        (
            Changed(pod("a", &["greeter 1 g-a@1:1"])),
            &["create greeter 1 g-a"][..],
        ),
        (Changed(pod("a", &["greeter 1 g-a@1:1"])), &[]),
        (
            Changed(pod("b", &["greeter 1 g-b@2:1"])),
            &["update greeter 1 g-a g-b"],
        ),
        (
            Changed(pod("b!", &["greeter 1 g-b@2:1"])),
            &["update greeter 1 g-a"],
        ),
        (
            Changed(pod("b", &["greeter 1 g-b@2:1"])),
            &["update greeter 1 g-a g-b"],
        ),
        (
            Changed(pod("a", &["greeter 1 g-a@1:2"])),
            &["update greeter 1 g-a g-b"],
        ),
        (
            Changed(pod("a", &["greeter 2 g-a@1:2"])),
            &["update greeter 1 g-b", "create greeter 2 g-a"],
        ),
        (Changed(pod("c", &[])), &[]),
        (
            Changed(pod("c", &["other 1", "third 1"])),
            &["create other 1", "create third 1"],
        ),
        (Changed(pod("c", &["third 1"])), &["delete other 1"]),
        // When a pod loses the label, the API server sends the pod as it was before.
        (Deleted(pod("c", &["third 1"])), &["delete third 1"]),
        (Deleted(pod("c", &["third 1"])), &[]),
        (
            Deleted(pod("b", &["greeter 1 g-b@2:1"])),
            &["delete greeter 1 g-b"],
        ),
        (Deleted(pod("a", &[])), &["delete greeter 2 g-a"]),
    ] {
        assert_eq!(changes(&mut view, [event.clone()]), expected, "{event:?}");
    }
}

#[test]
fn a_new_list_deletes_the_services_that_it_lacks() {
    let mut view = all();
    let first = [
        Listing,
        Item(pod("a", &["greeter 1 g-a@1:1"])),
        Item(pod("b", &["greeter 1 g-b@2:1"])),
        Item(pod("c", &["other 1 o@3:1"])),
        Listed,
    ];
    changes(&mut view, first);
    let nothing: [&str; 0] = [];
    // A list that breaks off changes nothing.
    let broken = [Listing, Item(pod("d", &["third 1"]))];
    assert_eq!(changes(&mut view, broken), nothing);
    let again = [
        Listing,
        Item(pod("a", &["greeter 1 g-a@1:1"])),
        Item(pod("e", &["fifth 1"])),
        Listed,
    ];
    assert_eq!(
        changes(&mut view, again),
        ["create fifth 1", "update greeter 1 g-a", "delete other 1 o"]
    );
    let same = [
        Listing,
        Item(pod("e", &["fifth 1"])),
        Item(pod("a", &["greeter 1 g-a@1:1"])),
        Listed,
    ];
    assert_eq!(changes(&mut view, same), nothing);
    assert_eq!(
        changes(&mut view, [Listing, Listed]),
        ["delete fifth 1", "delete greeter 1 g-a"]
    );
}

#[test]
fn one_service_is_watched_without_its_pod_s_others() {
    let mut view = View::new(Some("greeter".into()), false);
    let both = pod("a", &["greeter 1", "other 1"]);
    assert_eq!(changes(&mut view, [Changed(both)]), ["create greeter 1"]);
    assert_eq!(
        changes(&mut view, [Changed(pod("a", &["other 1"]))]),
        ["delete greeter 1"]
    );
}

#[test]
fn two_schemes_of_one_pod_are_one_service() {
    let mut view = all();
    let mut take = |scheme, event| {
        let events = view.apply(scheme, event).events;
        events
            .iter()
            .map(|event| event.action.name())
            .collect::<Vec<_>>()
    };
    let mut both = pod("a", &["greeter 1 g@1:1"]);
    let annotations = both.metadata.annotations.as_mut().unwrap();
    let record = annotations["micro.mu/service-greeter"].clone();
    annotations.insert("go.micro/greeter".into(), record);
    let nothing: [&str; 0] = [];
    assert_eq!(take(Scheme::MicroMu, Changed(both.clone())), ["create"]);
    assert_eq!(take(Scheme::GoMicro, Changed(both.clone())), nothing);
    assert_eq!(take(Scheme::MicroMu, Deleted(both.clone())), nothing);
    assert_eq!(take(Scheme::MicroMu, Listing), nothing);
    assert_eq!(take(Scheme::MicroMu, Listed), nothing);
    assert_eq!(take(Scheme::GoMicro, Deleted(both)), ["delete"]);
}

#[test]
fn a_bad_annotation_is_reported_once_as_long_as_it_stays() {
    let mut view = all();
    let mut skipped = |event| view.apply(Scheme::MicroMu, event).skipped.len();
    let bad = || pod("a", &["bad", "greeter 1"]);
    assert_eq!(skipped(Item(bad())), 1);
    assert_eq!(skipped(Listed), 0);
    assert_eq!(skipped(Changed(bad())), 0);
    assert_eq!(skipped(Changed(pod("a", &["{"]))), 1);
    assert_eq!(skipped(Changed(pod("a", &["greeter 1"]))), 0);
    assert_eq!(skipped(Changed(bad())), 1);
    assert_eq!(skipped(Deleted(bad())), 0);
}

#[test]
fn a_diff_goes_by_name_and_version() {
    let service = |name: &str, version: &str| Service {
        name: name.into(),
        version: version.into(),
        ..Service::default()
    };
    let (a1, a2, b1) = (service("a", "1"), service("a", "2"), service("b", "1"));
    let mut b1_now = b1.clone();
    b1_now.metadata = Some([("x".into(), "y".into())].into());
    let events = diff(
        vec![a1.clone(), b1.clone()],
        vec![a2.clone(), b1_now.clone()],
    );
    let event = |action, service| Event { action, service };
    assert_eq!(
        events,
        [
            event(Action::Delete, a1),
            event(Action::Create, a2),
            event(Action::Update, b1_now),
        ]
    );
    let mut empty = b1.clone();
    empty.nodes = Some(Vec::new());
    assert_eq!(diff(vec![b1], vec![empty]), []);
}
