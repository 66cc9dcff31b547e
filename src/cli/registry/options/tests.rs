use super::*;
use crate::cli::output::Output;
use crate::cli::registry::request::Action;
use crate::registry::scheme::Schemes;

fn argv(text: &str) -> Vec<OsString> {
    text.split(' ').map(OsString::from).collect()
}

fn read_with(text: &str, variables: &[(&str, &str)]) -> Result<Request, Error> {
    let variable = |name: &str| {
        let found = variables.iter().find(|(variable, _)| *variable == name);
        found.map(|(_, value)| value.into())
    };
    read(argv(text), variable)
}

fn request(text: &str) -> Request {
    read_with(text, &[]).unwrap_or_else(|error| panic!("{text}: {error}"))
}

#[test]
fn the_first_word_selects_the_command() {
    for (text, expected) in [
        ("health list", "List"),
        ("health get greeter", "Get(\"greeter\")"),
        ("health watch", "Watch(None)"),
        ("health watch greeter", "Watch(Some(\"greeter\"))"),
        ("health check", "Check { pod: None }"),
        ("health check -pod-name g-0", "Check { pod: Some(\"g-0\") }"),
        (
            "health deregister --pod_name g-0 --server_name greeter",
            "Deregister { pod: \"g-0\", name: \"greeter\", id: None }",
        ),
        (
            "health deregister --pod_name=g-0 --server_name=greeter --server_id=1",
            "Deregister { pod: \"g-0\", name: \"greeter\", id: Some(\"1\") }",
        ),
    ] {
        assert_eq!(format!("{:?}", request(text).action), expected, "{text}");
    }
}

#[test]
fn flags_set_the_form_of_the_answer() {
    let plain = request("health list");
    assert_eq!(
        (plain.output, plain.include_not_ready),
        (Output::Text, false)
    );
    assert_eq!(plain.schemes, Schemes::MicroMu);
    let all = request("health list -o json --include_not_ready --register-scheme both");
    assert_eq!((all.output, all.include_not_ready), (Output::Json, true));
    assert_eq!(all.schemes, Schemes::Both);
    let elsewhere =
        request("health get x --registry_address http://127.0.0.1:8001 -registry_namespace=prod");
    assert_eq!(
        elsewhere.cluster.registry_namespace.as_deref(),
        Some("prod")
    );
    let address = elsewhere.cluster.registry_address.expect("must be read");
    assert_eq!(address.0, "http://127.0.0.1:8001/");
}

#[test]
fn a_node_is_described_by_go_micro_s_flags() {
    let text = "health register --pod_name=g-0 --server_name=greeter --server_address=:9091";
    let Action::Register { pod, node } = request(text).action else {
        panic!("{text}")
    };
    assert_eq!(pod, "g-0");
    let service = node.service("uid", "10.0.0.1:9091".into());
    assert_eq!(
        service.to_json(),
        r#"{"name":"greeter","version":"latest","metadata":null,"endpoints":[],"nodes":[{"id":"greeter-uid","address":"10.0.0.1:9091","metadata":{}}]}"#
    );
    let text = format!(
        "{text} --server_version=2 --server_id=7 --server_metadata a=b --server_metadata=c=d=e"
    );
    let Action::Register { node, .. } = request(&text).action else {
        panic!("{text}")
    };
    let service = node.service("uid", "x:1".into());
    assert_eq!(
        service.to_json(),
        r#"{"name":"greeter","version":"2","metadata":null,"endpoints":[],"nodes":[{"id":"greeter-7","address":"x:1","metadata":{"a":"b","c":"d=e"}}]}"#
    );
}

#[test]
fn variables_stand_in_for_flags() {
    let variables = [
        ("MICRO_REGISTRY_ADDRESS", "http://127.0.0.1:8001"),
        ("MICRO_HEALTH_REGISTRY_NAMESPACE", "prod"),
        ("MICRO_HEALTH_OUTPUT", "json"),
    ];
    let request = read_with("health list", &variables).unwrap();
    assert_eq!(request.output, Output::Json);
    assert_eq!(request.cluster.registry_namespace.as_deref(), Some("prod"));
    assert!(request.cluster.registry_address.is_some());
    // Without `kubernetes` in MICRO_REGISTRY, the address belongs to another registry and is
    // ignored.
    let request = read_with("health list", &[("MICRO_REGISTRY_ADDRESS", "consul:8500")]);
    assert_eq!(request.unwrap().cluster.registry_address, None);
}

#[test]
fn an_invalid_command_line_is_refused() {
    for (text, expected) in [
        ("health", "Usage: health registry <COMMAND>"),
        ("health lst", "unrecognized subcommand 'lst'"),
        ("health -o json list", "unexpected argument '-o'"),
        ("health get", "for example: health registry get greeter"),
        ("health list greeter", "unexpected argument 'greeter'"),
        ("health list -o yaml", "invalid value 'yaml'"),
        (
            "health list --register_scheme=x",
            "expected micro.mu, go.micro or both",
        ),
        (
            "health register --pod_name=g-0 --server_name=x",
            "--server_address",
        ),
        (
            "health register --pod_name=g --server_name=x --server_address=:1 --server_metadata=a",
            "expected key=value",
        ),
        ("health deregister --server_name=x", "--pod_name"),
    ] {
        let refusal = read_with(text, &[]).expect_err(text);
        assert!(refusal.use_stderr(), "{text}");
        let rendered = refusal.render().to_string();
        assert!(rendered.contains(expected), "{text}: {rendered}");
    }
}

#[test]
fn help_exits_with_0() {
    for (text, expected) in [
        ("health --help", "Usage: health registry <COMMAND>"),
        ("health help", "Usage: health registry <COMMAND>"),
        ("health -h", "Usage: health registry <COMMAND>"),
        ("health -h", "deregister  Removes a service from a pod"),
        ("health list -h", "Shows all services"),
        ("health list --help", "--include_not_ready"),
        (
            "health help get",
            "Usage: health registry get [OPTIONS] <NAME>",
        ),
        ("health register -h", "[MICRO_SERVER_ADDRESS]"),
    ] {
        let help = read_with(text, &[]).expect_err(text);
        assert!(!help.use_stderr(), "{text}");
        let rendered = help.render().to_string();
        assert!(rendered.contains(expected), "{text}: {rendered}");
    }
}
