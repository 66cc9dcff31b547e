//! The `ConfigMap` `micro` of a real API server, with the environment under it.

use k8s_openapi::api::core::v1::ConfigMap;
use kube::Api;
use kube::api::{DeleteParams, Patch, PatchParams};
use serde_json::{Value, json};
use testkit::cluster::{IP, Identity, Namespace};
use testkit::within;

use crate::rig::{Health, documented, health};

/// Returns the data of `kubectl create configmap micro --from-file=./testdata` in the seed.
fn seed() -> Value {
    json!({
        "config": "host=0.0.0.0\nport=1337",
        "mongodb": "host=127.0.0.1\nport=27017\nuser=user\npassword=password",
        "redis": "url=redis://127.0.0.1:6379/db01",
    })
}

const SEED_AS_JSON: &str = r#"{"config":{"host":"0.0.0.0","port":"1337"},"mongodb":{"host":"127.0.0.1","password":"password","port":"27017","user":"user"},"redis":{"url":"redis://127.0.0.1:6379/db01"}}"#;

/// Creates a namespace and a pod whose account has no permission yet.
async fn a_pod(prefix: &str) -> (Namespace, Identity) {
    let namespace = Namespace::fresh(prefix).await;
    namespace.account("app", &[], &[]).await;
    namespace.running_pod("app-0", "app", IP).await;
    let identity = namespace.identity("app-0").await;
    (namespace, identity)
}

async fn a_pod_that_may(prefix: &str) -> (Namespace, Identity) {
    let (namespace, identity) = a_pod(prefix).await;
    documented::apply("config/role.yaml", &namespace, "app").await;
    let rule = json!({ "apiGroups": [""], "resources": ["configmaps"], "resourceNames": ["micro"], "verbs": ["list", "watch"] });
    namespace.rule_takes_effect("app", &rule).await;
    (namespace, identity)
}

async fn create(namespace: &Namespace, data: Value) {
    let object = json!({ "metadata": { "name": "micro" }, "data": data });
    namespace.create::<ConfigMap>(object).await;
}

async fn patch(namespace: &Namespace, patch: Value) {
    let maps = Api::<ConfigMap>::namespaced(namespace.admin.clone(), &namespace.name);
    let (params, patch) = (PatchParams::default(), Patch::Merge(patch));
    within("a patch", maps.patch("micro", &params, &patch))
        .await
        .unwrap();
}

async fn delete(namespace: &Namespace) {
    let maps = Api::<ConfigMap>::namespaced(namespace.admin.clone(), &namespace.name);
    within("a deletion", maps.delete("micro", &DeleteParams::default()))
        .await
        .unwrap();
}

#[tokio::test]
async fn the_seeds_values_are_found_at_the_seeds_paths() {
    let (namespace, identity) = a_pod_that_may("config").await;
    let mut data = seed();
    data["sql"] = "username=user\npassword=password=1234\n".into();
    create(&namespace, data).await;
    let place = format!("--config_namespace={}", namespace.name);
    for (path, expected) in [
        ("mongodb host", "127.0.0.1\n"),
        ("mongodb port", "27017\n"),
        ("redis url", "redis://127.0.0.1:6379/db01\n"),
        ("sql password", "password=1234\n"),
        (
            "sql",
            "{\"password\":\"password=1234\",\"username\":\"user\"}\n",
        ),
    ] {
        let mut words = vec!["config", "get"];
        words.extend(path.split(' '));
        words.push(&place);
        // If both have a value, the ConfigMap wins.
        let variables = [("MONGODB_HOST", "x"), ("MONGODB_PORT", "1")];
        let output = health(&identity, &words, &variables).await;
        assert_eq!(output, (0, expected.to_owned(), String::new()), "{path}");
    }
    let words = ["config", "get", "cache", "size", &place];
    let output = health(&identity, &words, &[("CACHE_SIZE", "10")]).await;
    assert_eq!(output, (0, "10\n".to_owned(), String::new()));
    let (code, out, err) = health(&identity, &words, &[]).await;
    assert_eq!(
        (code, &*out, &*err),
        (1, "", "error: cache size is not set\n")
    );
}

#[tokio::test]
async fn a_dump_of_the_seeds_data_is_the_seeds_json() {
    let (namespace, identity) = a_pod_that_may("dump").await;
    create(&namespace, seed()).await;
    let place = format!("--config_namespace={}", namespace.name);
    let words = ["config", "dump", "-o", "json", "--without_env", &place];
    let output = health(&identity, &words, &[("MONGODB_HOST", "x")]).await;
    assert_eq!(output, (0, format!("{SEED_AS_JSON}\n"), String::new()));

    let words = ["config", "dump", "--env_prefix=CACHE", &place];
    let variables = [("CACHE_SIZE", "10"), ("CACHE_ON", "true"), ("OTHER", "1")];
    let (code, out, _) = health(&identity, &words, &variables).await;
    assert_eq!(code, 0);
    assert_eq!(
        out.lines().take(3).collect::<Vec<_>>(),
        ["cache on=true", "cache size=10", "config host=0.0.0.0"]
    );

    // Without a prefix, the pod's own variables are settings too.
    let words = ["config", "dump", "-o", "json", &place];
    let (_, out, _) = health(&identity, &words, &[]).await;
    let all: Value = serde_json::from_str(&out).unwrap();
    assert_eq!(all["hostname"], "app-0");
    assert_eq!(all["mongodb"]["host"], "127.0.0.1");
}

#[tokio::test]
async fn creation_edit_and_deletion_are_one_event_each() {
    let (namespace, identity) = a_pod_that_may("watched").await;
    let place = format!("--config_namespace={}", namespace.name);
    let words = [
        "config",
        "dump",
        "--watch",
        "-o",
        "json",
        "--env_prefix=MONGODB",
        &place,
    ];
    let variables = [("MONGODB_HOST", "x")];
    let mut watching = Health::start(&identity, &words, &variables);
    let from_env = json!({ "mongodb": { "host": "x" } });
    let note = watching.error_line().await;
    assert!(note.starts_with("note: no ConfigMap micro"), "{note}");
    assert_eq!(
        watching.json().await,
        json!({ "event": "now", "config": from_env })
    );

    create(&namespace, json!({ "mongodb": "host=a" })).await;
    let event = |event, host| json!({ "event": event, "config": { "mongodb": { "host": host } } });
    assert_eq!(watching.json().await, event("created", "a"));
    // Its data does not change, so there is no event.
    patch(
        &namespace,
        json!({ "metadata": { "labels": { "a": "b" } } }),
    )
    .await;
    patch(&namespace, json!({ "data": { "mongodb": "host=b" } })).await;
    assert_eq!(watching.json().await, event("edited", "b"));
    delete(&namespace).await;
    assert_eq!(watching.json().await, event("deleted", "x"));
    create(&namespace, json!({ "mongodb": "host=c" })).await;
    assert_eq!(watching.json().await, event("created", "c"));

    // With a path, only changes of its value are events.
    let words = ["config", "get", "mongodb", "host", "--watch", &place];
    let mut watching = Health::start(&identity, &words, &[]);
    assert_eq!(watching.line().await, "c");
    patch(&namespace, json!({ "data": { "other": "a=1" } })).await;
    patch(&namespace, json!({ "data": { "mongodb": "host=d" } })).await;
    assert_eq!(watching.line().await, "d");
    delete(&namespace).await;
    assert_eq!(watching.line().await, "not set");
}

#[tokio::test]
async fn a_missing_config_map_is_reported_and_the_environment_served() {
    let (namespace, identity) = a_pod_that_may("missing").await;
    let place = format!("--config_namespace={}", namespace.name);
    let words = ["config", "get", "mongodb", "host", &place];
    let (code, out, err) = health(&identity, &words, &[("MONGODB_HOST", "x")]).await;
    assert_eq!((code, &*out), (1, "x\n"));
    let expected = format!(
        "error: no ConfigMap micro in the namespace {}",
        namespace.name
    );
    assert!(err.starts_with(&expected), "{err}");
    assert_eq!(err.lines().count(), 1, "{err}");
}

#[tokio::test]
async fn a_forbidden_config_map_is_reported_and_the_environment_served() {
    let (namespace, identity) = a_pod("forbidden").await;
    create(&namespace, seed()).await;
    let place = format!("--config_namespace={}", namespace.name);
    let sentence = format!(
        "User \"system:serviceaccount:{0}:app\" cannot list resource \"configmaps\" in API group \"\" in the namespace \"{0}\"",
        namespace.name
    );
    for watch in ["--watch=false", "--watch"] {
        let words = ["config", "get", "mongodb", "host", watch, &place];
        let (code, out, err) = health(&identity, &words, &[("MONGODB_HOST", "x")]).await;
        assert_eq!((code, &*out), (1, "x\n"), "{watch}");
        assert!(err.contains(&sentence), "{watch}: {err}");
        assert!(
            err.contains("list and watch for configmaps"),
            "{watch}: {err}"
        );
        assert_eq!(err.lines().count(), 1, "{watch}: {err}");
    }
    // The verb get is enough to read it.
    let rule = json!({ "apiGroups": [""], "resources": ["configmaps"], "resourceNames": ["micro"], "verbs": ["get"] });
    namespace.grant("app", json!([rule])).await;
    let output = health(
        &identity,
        &["config", "get", "mongodb", "host", &place],
        &[],
    )
    .await;
    assert_eq!(output, (0, "127.0.0.1\n".to_owned(), String::new()));
}

#[tokio::test]
async fn the_role_allows_one_config_map_only() {
    let (namespace, identity) = a_pod_that_may("others").await;
    let place = format!("--config_namespace={}", namespace.name);
    let words = ["config", "dump", "--config_map=other", &place];
    let (code, _, err) = health(&identity, &words, &[]).await;
    assert_eq!(code, 1);
    assert!(err.contains("cannot list resource \"configmaps\""), "{err}");
    let (code, _, err) = health(&identity, &["config", "dump", "--config_map=A/b"], &[]).await;
    assert_eq!(code, 2);
    assert!(err.contains("the name of a ConfigMap"), "{err}");
}
