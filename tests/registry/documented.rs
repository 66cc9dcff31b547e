//! The commands of docs/finding.md, word for word. Those that go on until stopped have to say something.

use k8s_openapi::api::core::v1::ConfigMap;
use serde_json::json;
use testkit::cluster::{ControlPlane, IP, Identity, Namespace};

use crate::catalog::{cluster::Cluster, helloworld};
use crate::rig::{Health, health};

const PAGE: &str = include_str!("../../docs/finding.md");

/// Before each block that this file runs.
const RUN: &str = "<!-- run by: registry -->\n";

/// One command, and what the page says that it prints.
struct Shown<'a> {
    words: Vec<&'a str>,
    prints: Option<String>,
}

/// The commands under the heading of one subcommand.
fn shown(command: &str) -> Vec<Shown<'static>> {
    let heading = format!("\n## `health {command}`");
    let section = PAGE.split(&heading).nth(1).expect("it must be a heading");
    let section = section.split("\n## ").next().unwrap_or_default();
    let blocks = section.split(RUN).skip(1);
    let shown: Vec<_> = blocks.flat_map(of_block).collect();
    assert!(!shown.is_empty(), "{heading} shows nothing");
    shown
}

fn of_block(text: &'static str) -> Vec<Shown<'static>> {
    let (fence, rest) = text.split_once('\n').unwrap();
    let block = rest.split("```").next().unwrap_or_default();
    if fence == "```console" {
        let (line, prints) = block.split_once('\n').unwrap();
        let line = line.strip_prefix("$ ").expect("a prompt");
        let prints = Some(prints.to_owned());
        return vec![Shown {
            words: words(line),
            prints,
        }];
    }
    assert_eq!(fence, "```sh");
    let commands = block.lines();
    commands
        .map(|line| Shown {
            words: words(line),
            prints: None,
        })
        .collect()
}

/// What follows `health`, without the comment.
fn words(line: &str) -> Vec<&str> {
    let command = line.split('#').next().unwrap_or_default();
    let mut words = command.split_whitespace();
    assert_eq!(words.next(), Some("health"), "{line}");
    words.collect()
}

impl Shown<'_> {
    async fn run(&self, identity: &Identity, variables: &[(&str, &str)]) {
        let Self { words, prints } = self;
        if words.contains(&"watch") || words.contains(&"--watch") {
            let line = Health::start(identity, words, variables).line().await;
            assert!(!line.is_empty(), "health {words:?}");
        } else if words.iter().any(|word| word.starts_with("--serve=")) {
            let said = Health::start(identity, words, variables).line().await;
            assert!(said.contains("127.0.0.1:31300"), "health {words:?}: {said}");
        } else {
            let (code, out, err) = health(identity, words, variables).await;
            assert_eq!(code, 0, "health {words:?}: {out}{err}");
            assert!(!(out.is_empty() && err.is_empty()), "health {words:?}");
            assert!(prints.as_ref().is_none_or(|prints| *prints == out), "{out}");
        }
    }
}

#[tokio::test]
async fn the_commands_of_the_page_do_what_it_says() {
    let namespace = Namespace::named(ControlPlane::shared().await, "shop", &[]).await;
    let everything = json!([{ "apiGroups": ["*"], "resources": ["*"], "verbs": ["*"] }]);
    namespace.account("operator", &[], &[]).await;
    namespace.grant("operator", everything).await;
    for pod in ["operator-0", "greeter-0", "legacy-0"] {
        namespace.running_pod(pod, "operator", IP).await;
    }
    let operator = namespace.identity("operator-0").await;
    let words = "registry register --pod_name=greeter-0 --server_name=greeter --server_address=10.1.0.7:8080";
    let (code, _, err) = health(&operator, &words.split(' ').collect::<Vec<_>>(), &[]).await;
    assert_eq!(code, 0, "{err}");
    namespace.slice("greeter-x1", &["10.99.0.1"]).await;
    let data = json!({ "mongodb": "host=127.0.0.1\nport=27017" });
    let map = json!({ "metadata": { "name": "micro" }, "data": data });
    namespace.create::<ConfigMap>(map).await;
    // The page's is the namespace `default`, which is every test's.
    let elsewhere = [("MICRO_HEALTH_CONFIG_NAMESPACE", "shop")];
    for command in ["registry", "resolve", "config"] {
        for shown in shown(command) {
            shown.run(&operator, &elsewhere).await;
        }
    }

    let cluster = Cluster::fresh("documented").await;
    helloworld(&cluster).await;
    for shown in shown("services") {
        shown.run(&cluster.viewer, &[]).await;
    }
}
