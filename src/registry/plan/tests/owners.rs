//! Several programs that register services in one pod: sidecars, the command, and a sidecar that
//! restarts with other settings.

use super::*;

fn command(name: &str, id: &str, address: &str, wanted: bool) -> Entry {
    Entry {
        record: record(name, &[node(id, address)]).into(),
        ownership: Ownership::Command,
        ..entry(name, 0, Some(wanted))
    }
}

/// Writes for the command, which merges.
fn merge(pod: &mut Pod, entries: &[Entry]) -> String {
    settle(pod, entries, OnForeign::Merge)
}

fn ids(pod: &Pod) -> Vec<String> {
    let record = pod.annotation(RECORD).map(Service::from_json);
    let record = record.map(Result::unwrap).unwrap_or_default();
    record.nodes().iter().map(|node| node.id.clone()).collect()
}

#[test]
fn two_sidecars_and_the_command_leave_each_other_alone() {
    let mut here = pod(&[], &[]);
    let ours = entry("greeter", 9091, Some(true));
    let theirs = of_port(8081, entry("other", 9092, Some(true)));
    let manual = command("greeter", "greeter-manual", "10.1.0.7:5000", true);
    let all = [ours, theirs, manual];
    merge(&mut here, &all);
    for entry in &all {
        assert_eq!(adopt(&mut here, std::slice::from_ref(entry)), "");
    }
    assert_eq!(ids(&here), ["greeter-uid", "greeter-manual"]);
    let before = here.clone();
    // The sidecar's own node goes alone.
    assert_eq!(adopt(&mut here, &greeter(false)), "deregister");
    assert_eq!(ids(&here), ["greeter-manual"]);
    let other = "registration.micro-health/other";
    assert_eq!(here.annotation(other), before.annotation(other));
    // The command removes its node only.
    here = before;
    let gone = [command("greeter", "greeter-manual", "", false)];
    assert_eq!(merge(&mut here, &gone), "deregister");
    assert_eq!(ids(&here), ["greeter-uid"]);
    assert_eq!(adopt(&mut here, &greeter(true)), "");
}

#[test]
fn a_registration_keeps_the_type_label_while_another_service_leaves() {
    let mut here = pod(&[], &[]);
    adopt(&mut here, &[entry("before", 9091, Some(true))]);
    // Both writes are planned for the same pod.
    let leaves = entry("before", 9091, Some(false));
    let patches = [leaves, entry("greeter", 9091, Some(true))].map(|entry| {
        let plan = plan(&here, &entry, OnForeign::Adopt);
        plan.write.unwrap().patch
    });
    for patch in &patches {
        here = written(&here, patch);
    }
    assert_eq!(adopt(&mut here, &greeter(true)), "announce");
    assert_eq!(adopt(&mut here, &greeter(false)), "deregister");
    assert_eq!(keys(&here), Vec::<&str>::new());
}

#[test]
fn a_command_replaces_the_node_at_its_address_and_removes_a_service_whole() {
    let mut here = pod(&[], &[]);
    let register = |id, address| [command("greeter", id, address, true)];
    assert_eq!(
        merge(&mut here, &register("a", "1:1")),
        "register, announce"
    );
    merge(&mut here, &register("b", "1:2"));
    assert_eq!(ids(&here), ["a", "b"]);
    merge(&mut here, &register("c", "1:1"));
    assert_eq!(ids(&here), ["b", "c"]);
    assert_eq!(
        merge(&mut here, &[command("greeter", "nobody", "", false)]),
        ""
    );
    let whole = [Entry {
        record: Service::new("greeter").into(),
        ..command("greeter", "", "", false)
    }];
    assert_eq!(merge(&mut here, &whole), "deregister");
    assert_eq!(keys(&here), Vec::<&str>::new());
    // A text that is not a record goes, because the command names the whole service.
    let mut here = pod(&[], &[(RECORD, "{")]);
    assert_eq!(adopt(&mut here, &greeter(false)), "");
    assert_eq!(merge(&mut here, &whole), "deregister");
    assert_eq!(keys(&here), Vec::<&str>::new());
}

#[test]
fn a_command_cannot_remove_a_service_of_another_name() {
    let mut here = pod(&[], &[]);
    merge(&mut here, &[command("a:b", "x", "1:1", true)]);
    for wanted in [true, false] {
        let other = command("a/b", "y", "1:2", wanted);
        let Plan { write, standing } = plan(&here, &other, OnForeign::Merge);
        assert!(matches!(standing, Standing::Refused(Obstacle::Name { .. })));
        assert_eq!(write, None);
    }
}

#[test]
fn a_record_under_an_earlier_name_is_found_by_its_mark_and_removed() {
    let mut here = pod(&[], &[]);
    adopt(&mut here, &greeter(true));
    adopt(
        &mut here,
        &[of_port(8081, entry("beside", 9092, Some(true)))],
    );
    merge(&mut here, &[command("manual", "m", "1:1", true)]);
    let own = Owner::sidecar(8080);
    assert_eq!(departed(&here, &own, &["greeter"]), []);
    let renamed = departed(&here, &own, &["hello"]);
    let names: Vec<_> = renamed.iter().map(|entry| &*entry.record.name).collect();
    assert_eq!(names, ["greeter"]);
    assert_eq!(adopt(&mut here, &renamed), "deregister");
    assert_eq!(ids(&here), Vec::<String>::new());
    assert_eq!(departed(&here, &own, &["hello"]), []);
}

#[test]
fn a_record_in_a_scheme_that_is_not_configured_is_removed() {
    let in_schemes = |schemes: &[Scheme], wanted| {
        let keys = schemes
            .iter()
            .map(|scheme| (*scheme, scheme.keys("greeter").unwrap()));
        let schemes = keys.collect();
        [Entry {
            schemes,
            ..entry("greeter", 9091, wanted)
        }]
    };
    for (before, after, wanted, expected) in [
        (
            &Scheme::ALL[..],
            &[Scheme::MicroMu][..],
            Some(true),
            "deregister",
        ),
        (
            &[Scheme::GoMicro],
            &[Scheme::MicroMu],
            Some(true),
            "register, announce",
        ),
        (
            &[Scheme::GoMicro],
            &[Scheme::MicroMu],
            Some(false),
            "deregister",
        ),
        // It does not wait for the first verdict.
        (&[Scheme::GoMicro], &[Scheme::MicroMu], None, "deregister"),
    ] {
        let mut here = pod(&[], &[]);
        adopt(&mut here, &in_schemes(before, Some(true)));
        assert_eq!(
            adopt(&mut here, &in_schemes(after, wanted)),
            expected,
            "{wanted:?}"
        );
        assert_eq!(here.annotation("go.micro/greeter"), None);
        assert_eq!(here.label("micro"), None);
    }
    // A Go service's own record in the other scheme stays, even at our address.
    let theirs = record("greeter", &[node("greeter-go", "10.1.0.7:9091")]).to_json();
    let mut here = pod(&[("micro", "service")], &[("go.micro/greeter", &theirs)]);
    adopt(&mut here, &greeter(true));
    adopt(&mut here, &greeter(false));
    assert_eq!(keys(&here), ["micro", "go.micro/greeter"]);
}

#[test]
fn ours_goes_even_if_a_foreign_node_is_beside_it_and_the_flag_says_fail() {
    let mut here = pod(&[], &[]);
    let fail = OnForeign::Fail;
    settle(&mut here, &greeter(true), fail);
    let both = record(
        "greeter",
        &[
            node("greeter-uid", "10.1.0.7:9091"),
            node("greeter-go", "10.1.0.7:9091"),
        ],
    );
    here.metadata
        .annotations
        .as_mut()
        .unwrap()
        .insert(RECORD.into(), both.to_json());
    assert_eq!(settle(&mut here, &greeter(true), fail), "");
    assert_eq!(settle(&mut here, &greeter(false), fail), "deregister");
    assert_eq!(ids(&here), ["greeter-go"]);
}

#[test]
fn a_damaged_record_of_ours_is_removed_and_a_foreign_text_stays() {
    let mut here = pod(&[], &[]);
    adopt(&mut here, &greeter(true));
    here.metadata
        .annotations
        .as_mut()
        .unwrap()
        .insert(RECORD.into(), "{".into());
    assert_eq!(adopt(&mut here, &greeter(false)), "deregister");
    assert_eq!(keys(&here), Vec::<&str>::new());
    let mut here = pod(&[], &[(RECORD, "note to self")]);
    assert_eq!(adopt(&mut here, &greeter(false)), "");
}
