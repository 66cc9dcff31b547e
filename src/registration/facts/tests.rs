use serde_json::Value;

use super::*;
use crate::registry::plan::plan;
use crate::registry::plan::write::OnForeign;

const HEALTH: &str = include_str!("../../../tests/wire/registry/health.register.json");

/// Go-micro's plugin 4 (generation B), recorded.
const GO: &str = include_str!("../../../tests/wire/registry/v4.register.json");

fn facts(flags: &[&str]) -> Facts {
    let named = [
        "health",
        "--server_name=greeter",
        "--server_address=localhost:8080",
    ];
    let argv = named.iter().chain(flags).map(Into::into);
    let args = crate::app::args::read(argv, |_| None).unwrap().args;
    let told = Told::new(
        args.registry.server_advertise.as_ref(),
        &args.target.server_address,
    );
    let services = vec![("greeter".to_owned(), told.unwrap())];
    Facts::new(&args.registry, services, None).unwrap()
}

fn pod() -> Pod {
    serde_json::from_value(serde_json::json!({
        "metadata": {"name": "greeter-0", "uid": "5c1ae799-d6be-48aa-b56c-be3457508bc5"},
        "status": {"phase": "Running", "podIP": "10.1.0.112"},
    }))
    .unwrap()
}

/// The body of the first write.
fn body(facts: &mut Facts) -> Value {
    facts.see(&pod());
    let entries = facts.entries(&[Some(true)], Some(&["grpc"]));
    let write = plan(&pod(), &entries, OnForeign::Adopt).write.unwrap();
    let body = write.patch.body(pod().metadata.uid.as_deref().unwrap());
    serde_json::from_slice(&body).unwrap()
}

fn record(body: &Value) -> Service {
    let record = body["metadata"]["annotations"]["micro.mu/service-greeter"].as_str();
    Service::from_json(record.unwrap()).unwrap()
}

#[test]
fn the_first_write_is_the_one_on_record() {
    let body = body(&mut facts(&[]));
    let recorded: Value = serde_json::from_str(HEALTH).unwrap();
    assert_eq!(body, recorded, "{body}");
}

#[test]
fn gos_own_first_write_has_the_same_labels_key_and_metadata() {
    let (ours, theirs) = (
        body(&mut facts(&[])),
        serde_json::from_str::<Value>(GO).unwrap(),
    );
    assert_eq!(ours["metadata"]["labels"], theirs["metadata"]["labels"]);
    let (ours, theirs) = (record(&ours), record(&theirs));
    let keys = |service: &Service| {
        let node = service.nodes.iter().flatten().next().unwrap();
        let keys = node.metadata.iter().flatten().map(|(key, _)| key.clone());
        (service.name.clone(), keys.collect::<Vec<_>>())
    };
    assert_eq!(keys(&ours), keys(&theirs));
}

#[test]
fn metadata_of_the_user_does_not_replace_gos_own() {
    let mut facts = facts(&[
        "--server_metadata=zone=a",
        "--server_metadata=protocol=x",
        "--server_id=7",
        "--server_version=2",
    ]);
    let service = record(&body(&mut facts));
    let node = service.nodes.iter().flatten().next().unwrap();
    let metadata = node.metadata.as_ref().unwrap();
    assert_eq!((&*metadata["zone"], &*metadata["protocol"]), ("a", "grpc"));
    assert_eq!((&*node.id, &*service.version), ("greeter-7", "2"));
}

#[test]
fn what_a_service_speaks_is_what_clients_are_told() {
    let mut facts = facts(&[]);
    facts.see(&pod());
    for (speaks, protocol, transport) in [
        ("grpc", "grpc", "grpc"),
        ("mucp", "mucp", "http"),
        ("grpc-health", "grpc", "grpc"),
    ] {
        let entry = facts.entries(&[Some(true)], Some(&[speaks])).remove(0);
        let node = entry.record.nodes.unwrap().remove(0);
        let metadata = node.metadata.unwrap();
        assert_eq!(
            (&*metadata["protocol"], &*metadata["transport"]),
            (protocol, transport)
        );
    }
}

#[test]
fn without_an_address_nothing_is_wanted() {
    let mut facts = facts(&[]);
    assert_eq!(facts.entries(&[Some(true)], None)[0].wanted, None);
    assert_eq!(facts.entries(&[Some(false)], None)[0].wanted, Some(false));
    facts.see(&pod());
    assert_eq!(facts.entries(&[Some(true)], None)[0].wanted, Some(true));
}

#[test]
fn a_name_that_nobody_can_look_up_is_refused() {
    let name = "x".repeat(55);
    let argv = [
        "health".to_owned(),
        format!("--server_name={name}"),
        "--server_address=:8080".to_owned(),
    ];
    let args = crate::app::args::read(argv.map(Into::into), |_| None)
        .unwrap()
        .args;
    let told = Told::new(None, &args.target.server_address).unwrap();
    let refused = Facts::new(&args.registry, vec![(name, told)], None).unwrap_err();
    assert!(
        refused.to_string().contains("micro.mu/selector-xxx"),
        "{refused}"
    );
}
