use super::*;
use crate::registry::changes::Action;

fn service(name: &str, version: &str, nodes: &[(&str, &str)]) -> Service {
    let node = |(id, address): &(&str, &str)| Node {
        id: (*id).into(),
        address: (*address).into(),
        metadata: Some(
            [("protocol", "grpc"), ("server", "grpc")]
                .map(|(key, value)| (key.into(), value.into()))
                .into(),
        ),
    };
    Service {
        name: name.into(),
        version: version.into(),
        nodes: Some(nodes.iter().map(node).collect()),
        ..Service::default()
    }
}

#[test]
fn services_are_lines_with_aligned_columns() {
    let two = [
        service(
            "go.micro.srv.greeter",
            "latest",
            &[("a", "1:1"), ("b", "2:1")],
        ),
        service("日本", "", &[]),
    ];
    let expected = "\
NAME                   VERSION   NODES   ENDPOINTS
go.micro.srv.greeter   latest    2       0
日本                     -         0       0
";
    assert_eq!(services(&two), expected);
    assert_eq!(services(&[]), "NAME   VERSION   NODES   ENDPOINTS\n");
}

#[test]
fn each_node_has_a_line() {
    let mut bare = service("greeter", "2", &[("g-3", "")]);
    bare.nodes.as_mut().unwrap()[0].metadata = None;
    let two = [
        service(
            "greeter",
            "1",
            &[("g-1", "10.0.0.1:80"), ("g-2", "[fd00::1]:80")],
        ),
        bare,
    ];
    let expected = "\
NODE   ADDRESS        VERSION   METADATA
g-1    10.0.0.1:80    1         protocol=grpc,server=grpc
g-2    [fd00::1]:80   1         protocol=grpc,server=grpc
g-3    -              2         -
";
    assert_eq!(nodes(&two), expected);
}

#[test]
fn an_event_is_one_line() {
    let mut update = Event {
        action: Action::Update,
        service: service("greeter", "1", &[("a", "1:1"), ("b", "2:1")]),
    };
    assert_eq!(event(&update), "update greeter 1 1:1 2:1");
    update.service.nodes = None;
    update.action = Action::Delete;
    assert_eq!(event(&update), "delete greeter 1");
    assert_eq!(
        event_json(&update),
        r#"{"action":"delete","service":{"name":"greeter","version":"1","metadata":null,"endpoints":null,"nodes":null}}"#
    );
}

#[test]
fn json_is_that_of_go() {
    assert_eq!(json(&[]), "[]\n");
    let two = [service("a<b", "1", &[]), service("c", "1", &[])];
    assert_eq!(
        json(&two),
        concat!(
            r#"[{"name":"a\u003cb","version":"1","metadata":null,"endpoints":null,"nodes":[]},"#,
            r#"{"name":"c","version":"1","metadata":null,"endpoints":null,"nodes":[]}]"#,
            "\n"
        )
    );
}

#[test]
fn a_record_cannot_control_the_terminal() {
    let foul = service("a\u{1b}[2J", "1\n2", &[("x\ry", "\u{7}")]);
    let event = event(&Event {
        action: Action::Create,
        service: foul.clone(),
    });
    for text in [services(std::slice::from_ref(&foul)), nodes(&[foul]), event] {
        let controls: Vec<_> = text
            .chars()
            .filter(|c| c.is_control() && *c != '\n')
            .collect();
        assert_eq!(controls, Vec::<char>::new(), "{text:?}");
        assert!(text.lines().count() <= 2);
    }
}

#[test]
fn missing_permissions_come_with_the_role() {
    let subject = Subject::named("system:serviceaccount:demo:web");
    let may = |allowed: [bool; 4]| {
        let verbs: Vec<_> = VERBS.into_iter().zip(allowed).collect();
        crate::cli::registry::table::verbs("demo", Some(&subject), &verbs)
    };
    let expected = "\
permissions of system:serviceaccount:demo:web on pods in namespace demo:

VERB    ALLOWED   PURPOSE
list    yes       to find services and the own pod
watch   yes       to watch for changes
patch   yes       to register
get     no        to read the own pod if it may not be listed; optional
";
    assert_eq!(may([true, true, true, false]), expected);
    let missing = may([true, true, false, true]);
    assert!(missing.contains("patch   no        to register\n"));
    assert!(
        missing.contains("\nthis Role and RoleBinding grant what is needed:\n\napiVersion: rbac")
    );
    assert!(missing.ends_with("- kind: ServiceAccount\n  name: web\n  namespace: demo\n"));
    let verbs: Vec<_> = VERBS.into_iter().zip([false; 4]).collect();
    let unknown = crate::cli::registry::table::verbs("demo", None, &verbs);
    assert!(unknown.starts_with("permissions of this client on pods in namespace demo:"));
    assert!(unknown.ends_with("name: default\n  namespace: demo\n"));
}
