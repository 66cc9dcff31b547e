//! Pods that another writer has written to.

use super::*;

/// A Go service that has registered itself at our address.
fn go_pod(id: &str, address: &str) -> Pod {
    let record = record("greeter", &[node(id, address)]).to_json();
    pod(
        &[(TYPE, "service"), (SELECTOR, "service")],
        &[(RECORD, &record)],
    )
}

#[test]
fn another_writers_node_is_treated_as_the_flag_says() {
    for (on_foreign, address, writes, nodes) in [
        (OnForeign::Adopt, "10.1.0.7:9091", "", &["greeter-go"][..]),
        (
            OnForeign::Adopt,
            "10.1.0.7:7070",
            "repair",
            &["greeter-go", "greeter-uid"],
        ),
        (
            OnForeign::Merge,
            "10.1.0.7:9091",
            "repair",
            &["greeter-uid"],
        ),
        (
            OnForeign::Merge,
            "10.1.0.7:7070",
            "repair",
            &["greeter-go", "greeter-uid"],
        ),
        (OnForeign::Take, "10.1.0.7:7070", "repair", &["greeter-uid"]),
        (OnForeign::Fail, "10.1.0.7:9091", "", &["greeter-go"]),
        (OnForeign::Fail, "10.1.0.7:7070", "", &["greeter-go"]),
    ] {
        let mut here = go_pod("greeter-go", address);
        assert_eq!(
            settle(&mut here, &greeter(true), on_foreign),
            writes,
            "{on_foreign:?} {address}"
        );
        let there = Service::from_json(here.annotation(RECORD).unwrap()).unwrap();
        let ids: Vec<_> = there.nodes.iter().flatten().map(|node| &*node.id).collect();
        assert_eq!(ids, nodes, "{on_foreign:?} {address}");
    }
}

#[test]
fn an_adopted_registration_is_removed_as_go_removes_it() {
    let mut here = go_pod("greeter-go", "10.1.0.7:9091");
    let Plan { write, standing } = plan(&here, &greeter(false)[0], OnForeign::Adopt);
    assert!(write.unwrap().is_over_foreign && standing == Standing::Absent);
    assert_eq!(adopt(&mut here, &greeter(false)), "deregister");
    assert_eq!(keys(&here), [TYPE]);
    // Among several nodes, only ours is removed.
    let mut here = go_pod("greeter-go", "10.1.0.7:7070");
    adopt(&mut here, &greeter(true));
    assert_eq!(adopt(&mut here, &greeter(false)), "deregister");
    assert!(
        here.annotation(RECORD).unwrap().contains("greeter-go")
            && !here.annotation(RECORD).unwrap().contains("greeter-uid")
    );
}

#[test]
fn a_writer_that_replaces_us_is_adopted() {
    let mut here = pod(&[], &[]);
    adopt(&mut here, &greeter(true));
    let theirs = record("greeter", &[node("greeter-go", "10.1.0.7:9091")]).to_json();
    let theirs = [(RECORD.to_owned(), Some(theirs))].into();
    here = written(
        &here,
        &Patch {
            annotations: theirs,
            ..Patch::default()
        },
    );
    assert_eq!(adopt(&mut here, &greeter(true)), "announce");
    let standing = plan(&here, &greeter(true)[0], OnForeign::Adopt).standing;
    let node = "greeter-go".into();
    assert_eq!(standing, Standing::Adopted { node });
    assert_eq!(adopt(&mut here, &greeter(false)), "deregister");
    assert_eq!(keys(&here), Vec::<&str>::new());
}

#[test]
fn a_key_or_label_of_another_use_is_refused_by_name() {
    let ab = record("a:b", &[node("x", "10.1.0.9:1")]).to_json();
    let colliding = pod(&[], &[("micro.mu/service-a_b", &ab)]);
    let a_b = entry("a/b", 9091, Some(true));
    let Plan { write, standing } = plan(&colliding, &a_b, OnForeign::Adopt);
    assert_eq!(write, None);
    let Standing::Refused(taken) = standing else {
        panic!("{standing:?}")
    };
    assert!(taken.to_string().contains("\"a:b\""), "{taken}");
    assert!(plan(&colliding, &a_b, OnForeign::Take).write.is_some());
    let unwanted = entry("a/b", 9091, Some(false));
    assert_eq!(plan(&colliding, &unwanted, OnForeign::Adopt).write, None);

    // Deployments of go-micro's own runtime select pods by this label.
    let go_micro = [(Scheme::GoMicro, Scheme::GoMicro.keys("greeter").unwrap())];
    let entry = Entry {
        schemes: go_micro.into(),
        ..entry("greeter", 9091, Some(true))
    };
    let selected = pod(&[("micro", "go.micro.srv.auth")], &[]);
    let Plan { write, standing } = plan(&selected, &entry, OnForeign::Take);
    assert_eq!(write, None);
    assert!(matches!(&standing, Standing::Refused(Obstacle::Label { key, .. }) if key == "micro"));
}

#[test]
fn both_schemes_are_written_over_the_old_ones_empty_texts() {
    let keys_of = |scheme: Scheme| (scheme, scheme.keys("greeter").unwrap());
    let entries = |wanted| {
        [Entry {
            schemes: Scheme::ALL.map(keys_of).into(),
            ..entry("greeter", 9091, Some(wanted))
        }]
    };
    // Go-micro 2.4's own deregistration leaves empty texts.
    let mut here = pod(
        &[("micro", "service"), ("go.micro/greeter", "")],
        &[("go.micro/greeter", "")],
    );
    assert_eq!(adopt(&mut here, &entries(true)), "register, announce");
    assert_eq!(here.annotation("go.micro/greeter"), here.annotation(RECORD));
    assert_eq!(adopt(&mut here, &entries(false)), "deregister");
    assert_eq!(keys(&here), ["micro"]);
}

#[test]
fn a_service_is_adopted_only_if_it_is_in_every_scheme() {
    let mut pod = go_pod("greeter-go", "10.1.0.7:9091");
    let mut both = entry("greeter", 9091, Some(true));
    let scheme = |of: Scheme| (of, of.keys("greeter").unwrap());
    both.schemes = Scheme::ALL.map(scheme).into();
    let adopted = Standing::Adopted {
        node: "greeter-go".into(),
    };
    let standing = |pod: &Pod| plan(pod, &both, OnForeign::Adopt).standing;
    assert_eq!(standing(&pod), Standing::Absent);
    adopt(&mut pod, std::slice::from_ref(&both));
    assert_eq!(standing(&pod), adopted);
    // No client finds a record without its labels.
    pod.metadata.labels = None;
    assert_eq!(standing(&pod), Standing::Absent);
}

#[test]
fn the_mark_of_another_service_is_not_overwritten() {
    let mark = r#"{"service":"other","nodes":{"a":"1"},"keys":[],"announced":true}"#;
    let pod = pod(&[], &[(MARK, mark)]);
    let Plan { write, standing } = plan(&pod, &greeter(true)[0], OnForeign::Adopt);
    assert_eq!(write, None);
    assert!(matches!(standing, Standing::Refused(Obstacle::Name { key, .. }) if key == MARK));
}

#[test]
fn what_no_node_of_ours_is_in_stays() {
    let empty = record("greeter", &[]).to_json();
    for (key, text) in [
        (RECORD, &*empty),
        (RECORD, "a note"),
        ("go.micro/greeter", ""),
    ] {
        let mut here = pod(&[], &[(key, text)]);
        assert_eq!(adopt(&mut here, &greeter(false)), "", "{key}={text}");
    }
}
