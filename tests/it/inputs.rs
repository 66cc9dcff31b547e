//! Flags and variables that cannot be used. Each is refused by its name, no text is told twice, and
//! none makes the program panic.

use std::collections::BTreeSet;

use serde_json::Value;
use testkit::{process, within};

use crate::PROGRAM;

/// The flags of a sidecar that registers its service, without an API server to reach.
const SIDECAR: &str = "--health_address=127.0.0.1:0 --log_format=json --server_name=greeter \
    --server_address=:9091 --registry=kubernetes --registry_address=http://127.0.0.1:9";

/// The shortest text that counts as a part. Shorter ones, such as a port, may stand twice.
const PART: usize = 6;

/// The flags, the variables and a part of the refusal. The flags of a sidecar begin with a plus.
type Case = (
    &'static str,
    &'static [(&'static str, &'static str)],
    &'static str,
);

/// Every case.
const REFUSED: &[Case] = &[
    (
        "+ ",
        &[("POD_NAME", "a b")],
        "POD_NAME=\"a b\" is not the name of a pod; expected",
    ),
    (
        "+ ",
        &[("POD_NAME", "a\nb")],
        "POD_NAME=\"a\\nb\" is not the name of a pod",
    ),
    (
        "+ ",
        &[("HOSTNAME", "My_Host")],
        "HOSTNAME=\"My_Host\" is not the name of a pod",
    ),
    ("+ ", &[], "the name of this pod is unknown"),
    (
        "+ --pod_name=A",
        &[],
        "invalid value 'A' for '--pod_name <NAME>': expected the name of a pod",
    ),
    (
        "+ ",
        &[("MICRO_HEALTH_POD_NAME", "A")],
        "environment variable MICRO_HEALTH_POD_NAME",
    ),
    (
        "+ --pod_name=a",
        &[("POD_IP", "10.0.0.1;fd00::1")],
        "POD_IP=\"10.0.0.1;fd00::1\" is not an IP address",
    ),
    (
        "+ --pod_name=a --server_name=xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx",
        &[],
        "--server_name: the service name",
    ),
    (
        "+ --pod_name=a --server_address=unix:/a.sock",
        &[],
        "--server_address: clients cannot dial",
    ),
    (
        "+ --pod_name=a --registry_address=https://h --service_account=/nowhere",
        &[],
        "cannot read /nowhere/token",
    ),
    (
        "+ --pod_name=a --registry_address=",
        &[],
        "--registry_address",
    ),
    (
        "+ --pod_name=a --registry_namespace=a.b",
        &[],
        "expected the name of a namespace",
    ),
    (
        "+ --pod_name=a --server_metadata=a",
        &[],
        "expected key=value",
    ),
    (
        "+ --server_version=\u{1b}",
        &[],
        "'--server_version <VERSION>': expected one line of text",
    ),
    (
        "+ --server_id=\u{7}",
        &[],
        "'--server_id <ID>': expected one line of text",
    ),
    (
        "+ --server_metadata=a=\u{7}",
        &[],
        "'--server_metadata <KEY=VALUE>': expected one line of text",
    ),
    (
        "+ --server_name=a\u{7}",
        &[],
        "'--server_name <NAME>': a line break",
    ),
    (
        "+ --target=a\u{7}=:1",
        &[],
        "the name \"a\\u{7}\" has characters",
    ),
    (
        "+ --pod_name=a --health_address=192.0.2.1:1",
        &[],
        "cannot listen on --health_address=192.0.2.1:1",
    ),
    (
        "+ --pod_name=a --tls --tls_ca_cert=/nowhere",
        &[],
        "--tls_ca_cert=/nowhere: ",
    ),
    (
        "+ --server_address=kubernetes:///a --registry=none --service_account=/nowhere --registry_address=https://h",
        &[],
        "cannot find the endpoints of",
    ),
    (
        "--server_address=:1",
        &[("MICRO_SERVER_NAME", "a\nb")],
        "MICRO_SERVER_NAME is not used: a line break",
    ),
    (
        "registry register --pod_name=A --server_name=a --server_address=:1",
        &[],
        "expected the name of a pod",
    ),
    (
        "registry register --pod_name=a --server_name=\u{7} --server_address=:1",
        &[],
        "control character in the name",
    ),
    (
        "registry deregister --pod_name=a/b --server_name=a",
        &[],
        "expected the name of a pod",
    ),
    (
        "registry check --pod_name=..",
        &[],
        "expected the name of a pod",
    ),
    ("registry get \u{7}", &[], "control character in the name"),
    (
        "registry get a --registry_address=https://h --service_account=/nowhere",
        &[],
        "cannot read /nowhere/token",
    ),
    ("registry list", &[], "no API server is configured"),
    (
        "config dump --config_map=a..b",
        &[],
        "expected the name of a ConfigMap",
    ),
    ("services -a", &[], "-a"),
    (
        "services a- --registry_address=http://127.0.0.1:9",
        &[],
        "expected the name of a Service",
    ),
    (
        "services --registry_address=http://127.0.0.1:9",
        &[],
        "cannot read the catalog",
    ),
    (
        "services --k8s_url=https://h --k8s_token=t --k8s_ca_file=/nowhere",
        &[],
        "cannot read /nowhere",
    ),
    ("resolve A", &[], "is no name of a Service"),
    (
        "resolve a --registry_address=http://127.0.0.1:9",
        &[],
        "the API server cannot be reached",
    ),
    (
        "probe --server_name=a --server_address=kubernetes:///a",
        &[("KUBERNETES_SERVICE_HOST", "a b")],
        "KUBERNETES_SERVICE_HOST",
    ),
];

/// Runs the program until it ends. Returns the exit code and the sentences that it printed.
async fn ends(args: &str, variables: &[(&str, &str)]) -> (i32, String) {
    let mut command = process::command(PROGRAM);
    command
        .args(args.split_whitespace())
        .env("KUBECONFIG", "/nowhere/config")
        .envs(variables.iter().copied());
    let output = within(args, command.output()).await.unwrap();
    let stderr = String::from_utf8(output.stderr).unwrap();
    let sentence = |line: &str| match serde_json::from_str::<Value>(line) {
        Ok(line) => line["fields"]["message"].as_str().unwrap().to_owned(),
        Err(_) => line.to_owned(),
    };
    let sentences: Vec<_> = stderr.lines().map(sentence).collect();
    (output.status.code().unwrap(), sentences.join("\n"))
}

/// Returns the first part that a sentence has twice.
fn repeated(sentence: &str) -> Option<&str> {
    let mut parts = BTreeSet::new();
    let all = sentence.split(": ").map(str::trim);
    let mut long = all.filter(|part| part.len() >= PART);
    long.find(|part| !parts.insert(*part))
}

#[tokio::test]
async fn an_input_that_cannot_be_used_is_refused_once_by_its_name() {
    for (args, variables, expected) in REFUSED {
        let args = match args.strip_prefix('+') {
            Some(more) => format!("{SIDECAR}{more}"),
            None => (*args).to_owned(),
        };
        let (code, told) = ends(&args, variables).await;
        assert!(
            [1, 2].contains(&code),
            "{args} {variables:?}: {code}: {told}"
        );
        assert!(told.contains(expected), "{args} {variables:?}: {told}");
        for sentence in told.lines() {
            assert_eq!(repeated(sentence), None, "{args}: {sentence}");
        }
    }
}

#[tokio::test]
async fn the_namespace_of_a_service_account_is_checked() {
    let account = tempfile::tempdir().unwrap();
    for (name, text) in [("token", "t"), ("ca.crt", "-"), ("namespace", "de mo")] {
        std::fs::write(account.path().join(name), text).unwrap();
    }
    let account = account.path().display();
    let flags = format!("--registry_address=https://127.0.0.1:9 --service_account={account}");
    for args in [
        format!("{SIDECAR} --pod_name=a {flags}"),
        format!("registry list {flags}"),
        format!("resolve greeter {flags}"),
    ] {
        let (code, told) = ends(&args, &[]).await;
        let expected = "\"de mo\" is not the name of a namespace";
        assert!(
            (1..=2).contains(&code) && told.contains(expected),
            "{args}: {code}: {told}"
        );
    }
}

#[test]
fn a_part_that_stands_twice_is_found() {
    assert_eq!(repeated("a: a: cannot read: no file"), None);
    assert_eq!(repeated("cannot read: no file: no file"), Some("no file"));
}
