use std::collections::BTreeMap;

use serde_json::json;

use super::*;
use crate::registry::plan::write::Patch;

/// `name id@address …`.
fn service(text: &str) -> Service {
    let mut words = text.split(' ');
    let name = words.next().unwrap_or_default();
    let node = |node: &str| {
        let (id, address) = node.split_once('@').unwrap_or((node, ""));
        Node {
            id: id.into(),
            address: address.into(),
            metadata: None,
        }
    };
    let nodes: Vec<_> = words.map(node).collect();
    Service {
        name: name.into(),
        version: "1".into(),
        nodes: (!nodes.is_empty()).then_some(nodes),
        ..Service::default()
    }
}

fn keys(service: &Service) -> Vec<(Scheme, Keys)> {
    vec![(
        Scheme::MicroMu,
        Scheme::MicroMu.keys(&service.name).unwrap(),
    )]
}

fn written(pod: &mut Pod, patch: &Patch) {
    let apply = |to: &mut Option<BTreeMap<String, String>>, values: &BTreeMap<_, _>| {
        let to = to.get_or_insert_default();
        for (key, value) in values {
            match value {
                Some(value) => to.insert(String::clone(key), String::clone(value)),
                None => to.remove(key),
            };
        }
    };
    apply(&mut pod.metadata.labels, &patch.labels);
    apply(&mut pod.metadata.annotations, &patch.annotations);
}

/// Writes until the plan is empty, and returns the number of writes.
fn settle(pod: &mut Pod, plan: impl Fn(&Pod) -> Plan) -> usize {
    for writes in 0..5 {
        match plan(pod).write {
            Some(write) => written(pod, &write.patch),
            None => return writes,
        }
    }
    panic!("it does not settle: {pod:?}");
}

fn register(pod: &mut Pod, text: &str) -> usize {
    let service = service(text);
    settle(pod, |pod| plan_registration(pod, &service, &keys(&service)))
}

fn deregister(pod: &mut Pod, text: &str) -> usize {
    let service = service(text);
    settle(pod, |pod| {
        plan_deregistration(pod, &service, &keys(&service)).unwrap()
    })
}

/// The labels, the nodes of each record, and the nodes of our mark.
fn seen(pod: &Pod) -> String {
    let mut seen: Vec<String> = Vec::new();
    for key in pod.metadata.labels.iter().flatten().map(|(key, _)| key) {
        seen.push(key.replace("micro.mu/", ""));
    }
    for (key, text) in pod.metadata.annotations.iter().flatten() {
        if let Some(name) = Scheme::MicroMu.service_of_annotation(key) {
            let nodes = Service::from_json(text).unwrap().nodes.unwrap_or_default();
            let nodes: Vec<_> = nodes.into_iter().map(|node| node.id).collect();
            seen.push(format!("{name}={}", nodes.join("+")));
        }
    }
    if let Some(mark) = pod.annotation(Mark::KEY) {
        let mark = Mark::from_json(mark).unwrap();
        assert!(mark.announced);
        let nodes: Vec<_> = mark.nodes.into_iter().collect();
        let keys: Vec<_> = mark.keys.into_iter().collect();
        let keys = keys.join("+").replace("micro.mu/", "");
        seen.push(format!("mark={} {keys}", nodes.join("+")));
    }
    seen.join("; ")
}

/// A pod as a Go writer leaves it after a registration.
fn go_registered(text: &str) -> Pod {
    let service = service(text);
    let keys = Scheme::MicroMu.keys(&service.name).unwrap();
    serde_json::from_value(json!({"metadata": {
        "labels": {"micro.mu/type": "service", keys.selector_label: "service"},
        "annotations": {keys.annotation: service.to_json()},
    }}))
    .unwrap()
}

#[test]
fn a_registration_is_two_writes_and_its_end_is_one() {
    let mut pod = Pod::default();
    assert_eq!(register(&mut pod, "greeter g@1:1"), 2);
    let expected = "selector-greeter; type; greeter=g; mark=g selector-greeter+type";
    assert_eq!(seen(&pod), expected);
    assert_eq!(register(&mut pod, "greeter g@1:1"), 0);
    assert_eq!(register(&mut pod, "greeter g@1:2"), 1);
    assert_eq!(deregister(&mut pod, "greeter"), 1);
    assert_eq!(seen(&pod), "");
    assert_eq!(deregister(&mut pod, "greeter"), 0);
}

#[test]
fn other_services_of_the_pod_stay_as_they_are() {
    let mut pod = Pod::default();
    register(&mut pod, "greeter g@1:1");
    register(&mut pod, "other o@1:2");
    assert_eq!(
        seen(&pod),
        "selector-greeter; selector-other; type; greeter=g; other=o; mark=g+o selector-greeter+selector-other+type"
    );
    // The selector label stays for as long as there is another service.
    assert_eq!(deregister(&mut pod, "greeter g"), 1);
    assert_eq!(
        seen(&pod),
        "selector-greeter; selector-other; type; other=o; mark=o selector-greeter+selector-other+type"
    );
    assert_eq!(register(&mut pod, "third t@1:3"), 2);
    assert_eq!(deregister(&mut pod, "third"), 1);
    assert_eq!(
        seen(&pod),
        "selector-greeter; selector-other; selector-third; type; other=o; mark=o selector-greeter+selector-other+selector-third+type"
    );
    assert_eq!(deregister(&mut pod, "other"), 1);
    assert_eq!(seen(&pod), "");
}

#[test]
fn nodes_of_one_service_are_beside_each_other() {
    let mut pod = Pod::default();
    register(&mut pod, "greeter a@1:1");
    assert!(register(&mut pod, "greeter b@1:2") <= 2);
    assert!(seen(&pod).contains("greeter=a+b"), "{}", seen(&pod));
    assert_eq!(register(&mut pod, "greeter a@1:1"), 0);
    // Another id at the same address takes its place.
    register(&mut pod, "greeter c@1:1");
    assert!(seen(&pod).contains("greeter=b+c"), "{}", seen(&pod));
    assert_eq!(deregister(&mut pod, "greeter b"), 1);
    assert!(seen(&pod).contains("type; greeter=c;"), "{}", seen(&pod));
    assert_eq!(deregister(&mut pod, "greeter nobody"), 0);
    deregister(&mut pod, "greeter c");
    assert_eq!(seen(&pod), "");
}

#[test]
fn the_type_label_of_a_go_writer_stays() {
    let mut pod = go_registered("greeter g@1:1 h@1:2");
    assert_eq!(deregister(&mut pod, "greeter g"), 1);
    assert_eq!(seen(&pod), "selector-greeter; type; greeter=h");
    let mut pod = go_registered("greeter g@1:1 h@1:2");
    assert_eq!(deregister(&mut pod, "greeter"), 1);
    assert_eq!(seen(&pod), "type");
    let mut pod = go_registered("greeter g@1:1");
    register(&mut pod, "other o@1:2");
    assert_eq!(deregister(&mut pod, "greeter"), 1);
    assert_eq!(
        seen(&pod),
        "selector-greeter; selector-other; type; other=o; mark=o selector-greeter+selector-other"
    );
    assert_eq!(deregister(&mut pod, "other"), 1);
    assert_eq!(seen(&pod), "type");
    let mut pod = go_registered("greeter g@1:1");
    register(&mut pod, "greeter g@1:1");
    assert_eq!(seen(&pod), "selector-greeter; type; greeter=g; mark=g ");
}

#[test]
fn labels_of_the_pod_s_template_stay() {
    let mut pod = Pod::default();
    let labels = ["micro.mu/type", "micro.mu/selector-greeter"];
    let labels = labels.map(|key| (key.to_owned(), "service".to_owned()));
    pod.metadata.labels = Some(labels.into());
    register(&mut pod, "greeter g@1:1");
    deregister(&mut pod, "greeter g");
    assert_eq!(seen(&pod), "selector-greeter; type");
}

#[test]
fn another_service_of_the_same_key_is_not_touched() {
    let mut pod = Pod::default();
    register(&mut pod, "a:b x@1:1");
    let other = service("a/b y@1:2");
    let plan = plan_registration(&pod, &other, &keys(&other));
    let taken = Obstacle::Name {
        key: "micro.mu/service-a_b".into(),
        name: "a:b".into(),
    };
    assert_eq!(
        plan.standings.last(),
        Some(&crate::registry::plan::write::Standing::Refused(
            taken.clone()
        ))
    );
    assert_eq!(plan.write, None);
    assert_eq!(plan_deregistration(&pod, &other, &keys(&other)), Err(taken));
}

#[test]
fn an_annotation_that_is_not_a_record_is_removed() {
    let mut pod = go_registered("greeter g@1:1");
    let annotations = pod.metadata.annotations.as_mut().unwrap();
    annotations.insert("micro.mu/service-greeter".into(), "{".into());
    assert_eq!(deregister(&mut pod, "greeter"), 1);
    assert!(pod.metadata.annotations.unwrap().is_empty());
}
