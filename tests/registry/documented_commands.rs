//! The commands of docs/finding.md and the kubectl commands of k8s/README.md, unchanged. Commands
//! that run until stopped must print something.

use k8s_openapi::api::core::v1::ConfigMap;
use serde_json::json;
use testkit::cluster::{ControlPlane, IP, Identity, Namespace};
use testkit::{LOOK_AGAIN, within};
use tokio::time::sleep;

use crate::catalog::{cluster::Cluster, helloworld};
use crate::rig::{Health, documented, health};

const PAGE: &str = include_str!("../../docs/finding.md");

/// The comment before each block that this file runs.
const RUN: &str = "<!-- run by: registry -->\n";

/// A command, with the output that the page shows.
struct Example<'a> {
    words: Vec<&'a str>,
    prints: Option<String>,
}

/// Returns the commands under the heading of one subcommand.
fn examples(command: &str) -> Vec<Example<'static>> {
    let heading = format!("\n## `health {command}`");
    let section = PAGE.split(&heading).nth(1).expect("it must be a heading");
    let section = section.split("\n## ").next().unwrap_or_default();
    let blocks = section.split(RUN).skip(1);
    let examples: Vec<_> = blocks.flat_map(of_block).collect();
    assert!(!examples.is_empty(), "{heading} shows nothing");
    examples
}

fn of_block(text: &'static str) -> Vec<Example<'static>> {
    let (fence, rest) = text.split_once('\n').unwrap();
    let block = rest.split("```").next().unwrap_or_default();
    if fence == "```console" {
        let (line, prints) = block.split_once('\n').unwrap();
        let line = line.strip_prefix("$ ").expect("a prompt");
        let prints = Some(prints.to_owned());
        return vec![Example {
            words: words(line),
            prints,
        }];
    }
    assert_eq!(fence, "```sh");
    let commands = block.lines();
    commands
        .map(|line| Example {
            words: words(line),
            prints: None,
        })
        .collect()
}

/// Returns the arguments of `health`, without the comment.
fn words(line: &str) -> Vec<&str> {
    let command = line.split('#').next().unwrap_or_default();
    let mut words = command.split_whitespace();
    assert_eq!(words.next(), Some("health"), "{line}");
    words.collect()
}

impl Example<'_> {
    async fn run(&self, identity: &Identity, variables: &[(&str, &str)]) {
        let Self { words, prints } = self;
        if words.contains(&"watch") || words.contains(&"--watch") {
            let line = Health::start(identity, words, variables).line().await;
            assert!(!line.is_empty(), "health {words:?}");
        } else if words.iter().any(|word| word.starts_with("--serve=")) {
            let line = Health::start(identity, words, variables).line().await;
            assert!(line.contains("127.0.0.1:31300"), "health {words:?}: {line}");
        } else {
            let (code, out, err) = health(identity, words, variables).await;
            assert_eq!(code, 0, "health {words:?}: {out}{err}");
            assert!(!(out.is_empty() && err.is_empty()), "health {words:?}");
            assert!(prints.as_ref().is_none_or(|prints| *prints == out), "{out}");
        }
    }
}

#[tokio::test]
async fn the_commands_of_the_page_print_what_it_shows() {
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
    // The page uses the namespace `default`, which all tests share.
    let elsewhere = [("MICRO_HEALTH_CONFIG_NAMESPACE", "shop")];
    for command in ["registry", "resolve", "config"] {
        for examples in examples(command) {
            examples.run(&operator, &elsewhere).await;
        }
    }

    let roles = documented::commands(include_str!("../../k8s/README.md"));
    documented::run(&roles, &namespace, "").await;
    let may = ["auth", "can-i", "list", "pods", "--quiet"];
    for (account, expected) in [("ops:viewer", true), ("shop:viewer", false)] {
        let user = format!("--as=system:serviceaccount:{account}");
        within("the role to take effect", async {
            let words = [&may[..], &[&user]].concat();
            while namespace.kubectl(&words, "").await.is_ok() != expected {
                sleep(LOOK_AGAIN).await;
            }
        })
        .await;
    }

    let cluster = Cluster::fresh("documented").await;
    helloworld(&cluster).await;
    for examples in examples("services") {
        examples.run(&cluster.viewer, &[]).await;
    }
}
