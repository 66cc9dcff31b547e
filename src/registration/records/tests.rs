use serde_json::Value;

use super::*;
use crate::registry::plan::plan;
use crate::registry::plan::write::OnForeign;

const HEALTH: &str = include_str!("../../../tests/wire/registry/health.register.json");

/// The recorded request of go-micro's plugin 4 (generation B).
const GO: &str = include_str!("../../../tests/wire/registry/v4.register.json");

fn records(flags: &[&str]) -> RecordBuilder {
    let named = [
        "health",
        "--server_name=greeter",
        "--server_address=localhost:8080",
    ];
    let argv = named.iter().chain(flags).map(Into::into);
    let args = crate::app::args::read(argv, |_| None).unwrap().args;
    let advertised = AdvertisedAddress::new(
        args.registry.server_advertise.as_ref(),
        &args.target.server_address,
    );
    let services = vec![("greeter".to_owned(), advertised.unwrap())];
    RecordBuilder::new(&args.registry, services, None, Owner::sidecar(8080)).unwrap()
}

fn pod() -> Pod {
    serde_json::from_value(serde_json::json!({
        "metadata": {"name": "greeter-0", "uid": "5c1ae799-d6be-48aa-b56c-be3457508bc5"},
        "status": {"phase": "Running", "podIP": "10.1.0.112"},
    }))
    .unwrap()
}

/// Returns the body of the first write.
fn body(records: &mut RecordBuilder) -> Value {
    records.update_from(&pod());
    let entries = records.entries(&[Some(true)], Some(&["grpc"]));
    let write = plan(&pod(), &entries[0], OnForeign::Adopt).write.unwrap();
    let body = write.patch.body(pod().metadata.uid.as_deref().unwrap());
    serde_json::from_slice(&body).unwrap()
}

fn record(body: &Value) -> Service {
    let record = body["metadata"]["annotations"]["micro.mu/service-greeter"].as_str();
    Service::from_json(record.unwrap()).unwrap()
}

#[test]
fn the_first_write_is_the_recorded_one() {
    let body = body(&mut records(&[]));
    let recorded: Value = serde_json::from_str(HEALTH).unwrap();
    assert_eq!(body, recorded, "{body}");
}

#[test]
fn gos_own_first_write_has_the_same_labels_key_and_metadata() {
    let (ours, theirs) = (
        body(&mut records(&[])),
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
    let mut records = records(&[
        "--server_metadata=zone=a",
        "--server_metadata=protocol=x",
        "--server_id=7",
        "--server_version=2",
    ]);
    let service = record(&body(&mut records));
    let node = service.nodes.iter().flatten().next().unwrap();
    let metadata = node.metadata.as_ref().unwrap();
    assert_eq!((&*metadata["zone"], &*metadata["protocol"]), ("a", "grpc"));
    assert_eq!((&*node.id, &*service.version), ("greeter-7", "2"));
}

#[test]
fn the_metadata_names_the_protocol_that_the_service_speaks() {
    let mut records = records(&[]);
    records.update_from(&pod());
    for (speaks, protocol, transport) in [
        ("grpc", "grpc", "grpc"),
        ("mucp", "mucp", "http"),
        ("grpc-health", "grpc", "grpc"),
    ] {
        let entry = records.entries(&[Some(true)], Some(&[speaks])).remove(0);
        let node = entry.record.nodes()[0].clone();
        let metadata = node.metadata.unwrap();
        assert_eq!(
            (&*metadata["protocol"], &*metadata["transport"]),
            (protocol, transport)
        );
    }
}

#[test]
fn without_an_address_nothing_is_registered() {
    let mut records = records(&[]);
    assert_eq!(records.entries(&[Some(true)], None)[0].wanted, None);
    assert_eq!(records.entries(&[Some(false)], None)[0].wanted, Some(false));
    records.update_from(&pod());
    assert_eq!(records.entries(&[Some(true)], None)[0].wanted, Some(true));
}

#[test]
fn a_name_that_no_client_can_look_up_is_refused() {
    let name = "x".repeat(55);
    let argv = [
        "health".to_owned(),
        format!("--server_name={name}"),
        "--server_address=:8080".to_owned(),
    ];
    let args = crate::app::args::read(argv.map(Into::into), |_| None)
        .unwrap()
        .args;
    let advertised = AdvertisedAddress::new(None, &args.target.server_address).unwrap();
    let refused = RecordBuilder::new(
        &args.registry,
        vec![(name, advertised)],
        None,
        Owner::sidecar(8080),
    )
    .unwrap_err();
    assert!(
        refused.to_string().contains("micro.mu/selector-xxx"),
        "{refused}"
    );
}
