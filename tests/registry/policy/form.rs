//! The form of a record: the JSON of each generation of go-micro, and no other text.

use serde_json::Value;

use super::record::{ADDRESS, FORM};
use super::world::{ANY_ADDRESS, ANY_NODE_ID, World, annotation};

/// The records of go-micro's generations, as `tests/wire/registry` has them.
const RECORDED: [&str; 5] = [
    include_str!("../../wire/registry/s4-v1.register.json"),
    include_str!("../../wire/registry/s4-old.register.json"),
    include_str!("../../wire/registry/v4c.register.json"),
    include_str!("../../wire/registry/s6.register.json"),
    include_str!("../../wire/registry/s4-v2.register.json"),
];

#[tokio::test]
async fn a_record_is_what_go_micro_can_read() {
    let world = World::new("policy-form").await;
    let patch = |text: &str| annotation("micro.mu/service-greeter", text);
    let id = world.own_id("greeter");
    let node = format!(r#"{{"id":"{id}","address":"10.1.0.112:8080","metadata":{{}}}}"#);
    let evil = r#"{"id":"x","address":"10.1.0.113:8080","metadata":{}}"#;
    let begin = r#"{"name":"greeter","version":"latest","metadata":"#;
    let quoted = r#"{"a\"}],\"nodes\":[":"\\","name":"x","url":"http://é/?a=\u0026b"}"#;
    let value = |inner: &str| format!(r#"{{"name":"a","type":"t","values":{inner}}}"#);
    let deep = value(&format!(
        "[{},{}]",
        value(&format!("[{}]", value("[]"))),
        value("null")
    ));
    let endpoint = format!(
        r#"{{"name":"A.B","request":{deep},"response":null,"metadata":{{"stream":"true"}}}}"#
    );
    for text in [
        format!(r#"{begin}null,"endpoints":null,"nodes":[{node}]}}"#),
        format!(r#"{begin}{quoted},"endpoints":[],"nodes":[{node},{node}]}}"#),
        format!(r#"{begin}{{}},"endpoints":[{endpoint},{endpoint}],"nodes":null}}"#),
        format!(r#"{begin}{{}},"endpoints":[],"nodes":[]}}"#),
    ] {
        world.admits(&patch(&text)).await;
    }
    // The form alone has to refuse the rest.
    let any = World::record("greeter", "greeter-1", "10.1.0.112:8080");
    world.leave_out(ANY_NODE_ID, &any).await;
    let any = World::record("greeter", "greeter-1", "10.1.0.113:8080");
    world.leave_out(ANY_ADDRESS, &any).await;
    let tail = format!(r#""endpoints":[],"nodes":[{node}]}}"#);
    for text in [
        // Not JSON, which makes every lookup of the service fail.
        "nonsense".to_owned(),
        "{}".to_owned(),
        "null".to_owned(),
        format!(r"{begin}null,{tail}}}"),
        format!(r"{begin}null,{tail} "),
        format!(r"{begin}s,{tail}"),
        format!(r#"{begin}"s","#),
        format!(r#"{begin}"{{","#),
        format!(r#"{begin}{{"a":"\x"}},{tail}"#),
        format!(r#"{begin}{{"a":"\u12"}},{tail}"#),
        format!("{begin}{{\"a\":\"\t\"}},{tail}"),
        format!(r#"{begin}{{"a":"b",}},{tail}"#),
        format!(r#"{begin}{{"a":"b""c":"d"}},{tail}"#),
        format!(r#"{begin}{{"a":7}},{tail}"#),
        format!(r#"{begin}null,"endpoints":[],"nodes":[{node}{node}]}}"#),
        format!(r#"{begin}null,"endpoints":[{endpoint}{endpoint}],"nodes":[{node}]}}"#),
        format!(r#"{begin}null,"endpoints":[{endpoint},],"nodes":[{node}]}}"#),
        format!(r#"{begin}null,"endpoints":[{endpoint}}}],"nodes":[{node}]}}"#),
        // A second list of nodes, by the rules of Go's decoder.
        format!(r#"{begin}null,"nodes":[{evil}],{tail}"#),
        format!(r#"{begin}null,"Nodes":[{evil}],{tail}"#),
        format!(r#"{begin}null,"node\u0073":[{evil}],{tail}"#),
        format!(r#"{begin}null,"nodeſ":[{evil}],{tail}"#),
        format!(r#"{begin}null,"endpoints":[],"nodes":[{node}],"nodes":[{evil}]}}"#),
        // A second name, or a second address.
        format!(r#"{begin}null,"name":"bank",{tail}"#),
        format!(
            r#"{begin}null,"endpoints":[],"nodes":[{{"id":"{id}","address":"10.1.0.112:8080","Address":"10.1.0.113:8080"}}]}}"#
        ),
        format!(
            r#"{begin}null,"endpoints":[],"nodes":[{{"id":"{id}","address":"10.1.0.112:8080","metadata":{{}},"address":"10.1.0.113:8080"}}]}}"#
        ),
        format!(
            r#"{begin}null,"endpoints":[],"nodes":[{{"address":"10.1.0.113:8080","id":"{id}"}}]}}"#
        ),
        format!(r" {begin}null,{tail}"),
        format!("[{begin}null,{tail}]"),
    ] {
        world.refuses(&patch(&text), FORM).await;
    }
}

#[tokio::test]
async fn the_records_of_every_generation_have_the_form() {
    let world = World::new("policy-generations").await;
    let first = World::record("greeter", "greeter-1", "10.1.0.112:8080");
    world.leave_out(ANY_NODE_ID, &first).await;
    for recorded in RECORDED {
        let patch: Value = serde_json::from_str(recorded).unwrap();
        world.admits(&patch).await;
    }
}

#[tokio::test]
async fn a_large_record_stays_within_the_budget_of_cel() {
    let world = World::new("policy-budget").await;
    let value = |inner: &str| {
        format!(r#"{{"name":"a_long_name_of_a_field","type":"string","values":{inner}}}"#)
    };
    let fields: Vec<_> = (0..8).map(|_| value("null")).collect();
    let object = value(&format!("[{}]", fields.join(",")));
    let endpoint = format!(
        r#"{{"name":"Greeter.Hello","request":{object},"response":{object},"metadata":{{"stream":"true"}}}}"#
    );
    let record = |count: usize| {
        let endpoints = vec![endpoint.clone(); count].join(",");
        format!(
            r#"{{"name":"greeter","version":"latest","metadata":null,"endpoints":[{endpoints}],"nodes":[{{"id":"{}","address":"10.1.0.112:8080","metadata":{{}}}}]}}"#,
            world.own_id("greeter")
        )
    };
    // A pod's annotations have at most 256 KiB together.
    let text = record(160);
    assert!(text.len() > 190_000, "{}", text.len());
    let patch = annotation("micro.mu/service-greeter", &text);
    world.admits(&patch).await;
    let evil = text.replace("10.1.0.112", "10.1.0.113");
    let patch = annotation("micro.mu/service-greeter", &evil);
    world.refuses(&patch, ADDRESS).await;
}
