//! The services of a real API server in Amalgam8's view. There are no controllers; the tests
//! write owners, pods and slices as controllers would.

pub(crate) mod cluster;
mod served;

use std::fs;

use k8s_openapi::api::apps::v1::{DaemonSet, Deployment, ReplicaSet, StatefulSet};
use k8s_openapi::api::core::v1::ReplicationController;
use serde_json::{Value, json};
use testkit::cluster::{ControlPlane, Namespace};
use testkit::pki::Authority;

use self::cluster::{Cluster, NO_LABELS};
use crate::rig::{Health, health};

/// The table that the seed shows.
const TABLE: &str = "\
+------------+------------------------------------+
| Service    | Instances                          |
+------------+------------------------------------+
| helloworld | v1,kubernetes(2), v2,kubernetes(2) |
+------------+------------------------------------+
";

const PORT: &str = r#"[{"port": 5000, "protocol": "TCP"}]"#;

/// Creates the seed's service, and returns the uid of its first pod.
pub(crate) async fn helloworld(cluster: &Cluster) -> String {
    let mut endpoints = Vec::new();
    for (controller, pods) in [
        ("helloworld-v1", ["aaaaa", "bbbbb"]),
        ("helloworld-v2", ["ccccc", "ddddd"]),
    ] {
        let owner = cluster.owner::<ReplicationController>(controller).await;
        for pod in pods {
            let name = format!("{controller}-{pod}");
            let uid = cluster.pod(&name, Some(&owner), NO_LABELS).await;
            let ip = format!("172.17.0.{}", 11 + endpoints.len());
            endpoints.push((ip, name, uid));
        }
    }
    let first = endpoints[0].2.clone();
    let endpoints = endpoints
        .iter()
        .map(|(ip, name, uid)| cluster.ready(ip, Some((name, uid))));
    let endpoints = endpoints.collect();
    cluster
        .slice("helloworld-x1", "helloworld", PORT, endpoints)
        .await;
    first
}

fn seeds_instance(uid: &str) -> String {
    format!(
        r#"{{"id":"{uid}-5000","service_name":"helloworld","endpoint":{{"type":"tcp","value":"172.17.0.11:5000"}},"status":"UP","tags":["v1","kubernetes"]}}"#
    )
}

#[tokio::test]
async fn the_seeds_services_give_the_seeds_table() {
    let cluster = Cluster::fresh("catalog").await;
    let uid = helloworld(&cluster).await;
    // No pod serves it, so it is not listed.
    cluster.slice("idle-x1", "idle", PORT, Vec::new()).await;

    let output = health(&cluster.viewer, &["services"], &[]).await;
    assert_eq!(output, (0, TABLE.to_owned(), String::new()));
    let output = health(&cluster.viewer, &["services", "helloworld"], &[]).await;
    assert_eq!(output, (0, TABLE.to_owned(), String::new()));

    let (code, out, err) = health(&cluster.viewer, &["services", "-o", "json"], &[]).await;
    assert_eq!((code, &*err), (0, ""));
    let start = format!(r#"{{"instances":[{},"#, seeds_instance(&uid));
    assert!(out.starts_with(&start), "{out}");
    let all: Value = serde_json::from_str(&out).unwrap();
    assert_eq!(all["instances"].as_array().unwrap().len(), 4);

    let words = ["services", "helloworld", "-o", "json"];
    let (_, out, _) = health(&cluster.viewer, &words, &[]).await;
    let start = format!(
        r#"{{"service_name":"helloworld","instances":[{},"#,
        seeds_instance(&uid)
    );
    assert!(out.starts_with(&start), "{out}");

    for name in ["idle", "unreachable"] {
        let (code, out, err) = health(&cluster.viewer, &["services", name], &[]).await;
        let namespace = &cluster.namespace.name;
        let expected = format!("error: no instance of {name} in the namespace {namespace}\n");
        assert_eq!((code, out, err), (1, String::new(), expected));
    }
}

#[tokio::test]
async fn amalgam8s_own_settings_give_the_same_table() {
    let cluster = Cluster::fresh("a8").await;
    helloworld(&cluster).await;
    let api = &cluster.namespace.api;
    let (url, token) = (format!("{}///", api.url()), cluster.token().await);
    let authority = format!("--k8s_ca_file={}", api.authority().display());
    let namespace = format!("--registry_namespace={}", cluster.namespace.name);
    let nowhere = "--service_account=/nonexistent";

    let words = ["services", &authority, &namespace, nowhere];
    let variables = [("A8_K8S_URL", &*url), ("A8_K8S_TOKEN", &*token)];
    let output = health(&cluster.viewer, &words, &variables).await;
    assert_eq!(output, (0, TABLE.to_owned(), String::new()));

    let (url, token) = (format!("--k8s_url={url}"), format!("--k8s_token={token}"));
    let words = ["services", &url, &token, &authority, &namespace, nowhere];
    let output = health(&cluster.viewer, &words, &[]).await;
    assert_eq!(output, (0, TABLE.to_owned(), String::new()));

    // The original verified no certificate.
    let other = Authority::new("other");
    let file = cluster.viewer.folder().join("other.crt");
    fs::write(&file, other.pem()).unwrap();
    let authority = format!("--k8s_ca_file={}", file.display());
    let words = ["services", &url, &token, &authority, &namespace, nowhere];
    let (code, out, err) = health(&cluster.viewer, &words, &[]).await;
    assert_eq!((code, &*out), (1, ""), "{err}");
    assert!(err.contains("certificate"), "{err}");

    let words = [
        "services",
        &url,
        &token,
        "--k8s_ca_file=/nonexistent",
        &namespace,
    ];
    let (code, out, err) = health(&cluster.viewer, &words, &[]).await;
    assert_eq!((code, &*out), (2, ""));
    assert!(err.contains("which --k8s_ca_file names"), "{err}");
}

#[tokio::test]
async fn each_kind_of_owner_gives_a_version() {
    let cluster = Cluster::fresh("owners").await;
    let hash = json!({ "pod-template-hash": "5d4f8c7b9" });
    let labelled =
        json!({ "pod-template-hash": "5d4f8c7b9", "app.kubernetes.io/version": "1.4.2" });
    let revision = json!({ "controller-revision-hash": "db-6b7c8d" });
    cluster.owner::<Deployment>("helloworld-v1").await;
    cluster.owner::<Deployment>("my-service").await;
    let helloworld = cluster.owner::<ReplicaSet>("helloworld-v1-5d4f8c7b9").await;
    let my_service = cluster.owner::<ReplicaSet>("my-service-5d4f8c7b9").await;
    let plain = cluster.owner::<ReplicationController>("helloworld").await;
    let set = cluster.owner::<StatefulSet>("db").await;
    let daemons = cluster.owner::<DaemonSet>("log-v7").await;
    let mut endpoints = Vec::new();
    for (at, (pod, owner, labels)) in [
        ("helloworld-v1-5d4f8c7b9-abcde", Some(&helloworld), &hash),
        (
            "helloworld-v1-5d4f8c7b9-fghij",
            Some(&helloworld),
            &labelled,
        ),
        ("my-service-5d4f8c7b9-abcde", Some(&my_service), &hash),
        ("helloworld-abcde", Some(&plain), &json!({})),
        ("db-0", Some(&set), &revision),
        ("log-v7-abcde", Some(&daemons), &json!({})),
        ("bare-v3-abcde", None, &json!({})),
        ("bare", None, &json!({})),
    ]
    .into_iter()
    .enumerate()
    {
        let uid = cluster.pod(pod, owner, labels.clone()).await;
        endpoints.push(cluster.ready(&format!("172.17.1.{at}"), Some((pod, &uid))));
    }
    endpoints.push(cluster.ready("172.17.1.9", None));
    cluster.slice("all-x1", "all", PORT, endpoints).await;

    let tags = |out: &str| -> Vec<String> {
        let all: Value = serde_json::from_str(out).unwrap();
        let instances = all["instances"].as_array().unwrap().clone();
        let tags = instances
            .iter()
            .map(|it| it["tags"].as_array().unwrap().clone());
        tags.map(|tags| {
            tags.iter()
                .filter_map(Value::as_str)
                .collect::<Vec<_>>()
                .join(",")
        })
        .collect()
    };
    let (code, out, err) = health(&cluster.viewer, &["services", "-o", "json"], &[]).await;
    assert_eq!((code, &*err), (0, ""));
    assert_eq!(
        tags(&out),
        [
            "v1,kubernetes",
            "1.4.2,kubernetes",
            "5d4f8c7b9,kubernetes",
            "helloworld,kubernetes",
            "6b7c8d,kubernetes",
            "v7,kubernetes",
            "v3,kubernetes",
            "kubernetes",
            "kubernetes",
        ]
    );
    assert!(out.contains(r#"{"id":"172.17.1.9-5000","#), "{out}");
    let words = ["services", "-o", "json", "--version_from=name"];
    let (_, out, _) = health(&cluster.viewer, &words, &[]).await;
    let by_name = tags(&out);
    assert_eq!(by_name[1..3], ["v1,kubernetes", "service,kubernetes"]);
}

#[tokio::test]
async fn each_port_has_its_type_and_only_what_is_ready_is_up() {
    let cluster = Cluster::fresh("types").await;
    let ports = r#"[
        {"port": 1, "protocol": "TCP", "name": "http"},
        {"port": 2, "protocol": "TCP", "name": "https"},
        {"port": 3, "protocol": "UDP", "name": "dns"},
        {"port": 4, "protocol": "TCP", "name": "donald-duck"},
        {"port": 5, "protocol": "TCP", "name": "web", "appProtocol": "http"},
        {"port": 6, "protocol": "TCP", "name": "h2", "appProtocol": "kubernetes.io/h2c"},
        {"port": 7, "protocol": "SCTP", "name": "sctp"}
    ]"#;
    let starting = json!({ "addresses": ["172.17.2.2"], "conditions": { "ready": false } });
    let leaving = json!({
        "addresses": ["172.17.2.3"],
        "conditions": { "ready": false, "serving": true, "terminating": true },
    });
    let unknown = json!({ "addresses": ["172.17.2.1"] });
    let endpoints = vec![unknown, starting.clone(), leaving];
    cluster.slice("web-x1", "web", ports, endpoints).await;
    cluster.slice("late-x1", "late", PORT, vec![starting]).await;
    let (_, out, _) = health(&cluster.viewer, &["services", "-o", "json"], &[]).await;
    let all: Value = serde_json::from_str(&out).unwrap();
    let instances = all["instances"].as_array().unwrap().iter();
    let types: Vec<_> = instances
        .map(|it| {
            let endpoint = &it["endpoint"];
            format!("{} {}", endpoint["value"], endpoint["type"]).replace('"', "")
        })
        .collect();
    assert_eq!(
        types,
        [
            "172.17.2.1:1 http",
            "172.17.2.1:2 https",
            "172.17.2.1:3 udp",
            "172.17.2.1:4 tcp",
            "172.17.2.1:5 http",
            "172.17.2.1:6 http",
        ]
    );
    assert!(
        out.contains(r#""metadata":{"app_protocol":"kubernetes.io/h2c"}"#),
        "{out}"
    );
    let (code, ..) = health(&cluster.viewer, &["services", "late"], &[]).await;
    assert_eq!(code, 1);
}

#[tokio::test]
async fn a_watch_shows_each_change_and_keeps_the_last_table() {
    let mut plane = ControlPlane::start().await;
    let namespace = Namespace::fresh_in(&plane.api, "watch").await;
    let cluster = Cluster::new(namespace).await;
    let mut watching = Health::start(&cluster.viewer, &["services", "--watch", "-o", "json"], &[]);
    assert_eq!(watching.json().await, json!({ "instances": [] }));

    let uid = cluster.pod("web-v1-aaaaa", None, NO_LABELS).await;
    let pod = Some(("web-v1-aaaaa", &*uid));
    let one = vec![cluster.ready("172.17.3.1", pod)];
    cluster.slice("web-x1", "web", PORT, one).await;
    let event = watching.json().await;
    assert_eq!(event["instances"][0]["tags"], json!(["v1", "kubernetes"]));
    // Only the pod's label changes.
    let label = json!({ "metadata": { "labels": { "version": "2" } } });
    cluster.namespace.patch_pod("web-v1-aaaaa", label).await;
    let event = watching.json().await;
    assert_eq!(event["instances"][0]["tags"], json!(["2", "kubernetes"]));
    // A second slice does not replace the first one.
    let two = vec![cluster.ready("172.17.3.2", None)];
    cluster.slice("web-x2", "web", PORT, two).await;
    assert_eq!(
        watching.json().await["instances"].as_array().unwrap().len(),
        2
    );
    cluster.delete_slice("web-x2").await;
    assert_eq!(
        watching.json().await["instances"].as_array().unwrap().len(),
        1
    );

    // The Role is removed, and the API server ends the watches.
    cluster.revoke().await;
    plane.stop_apiserver();
    let warning = watching.error_line().await;
    assert!(
        warning.ends_with("the last output may be out of date"),
        "{warning}"
    );
    plane.start_apiserver().await;
    loop {
        let warning = watching.error_line().await;
        if warning.contains("cannot list resource") {
            break;
        }
    }
    assert_eq!(watching.line_by_now(), None);
}

#[tokio::test]
async fn a_forbidden_read_names_the_missing_permissions() {
    let cluster = Cluster::fresh("denied").await;
    helloworld(&cluster).await;
    cluster.revoke().await;
    for watch in ["--watch=false", "--watch"] {
        let (code, out, err) = health(&cluster.viewer, &["services", watch], &[]).await;
        assert_eq!((code, &*out), (1, ""), "{watch}");
        assert!(err.contains("cannot list resource \""), "{watch}: {err}");
        assert!(
            err.contains("endpointslices.discovery.k8s.io and pods"),
            "{watch}: {err}"
        );
    }
}

#[tokio::test]
async fn a_check_names_the_instances_that_do_not_answer() {
    let cluster = Cluster::fresh("checked").await;
    // No host has an address of this block. Source: RFC 5737.
    let unreachable = vec![cluster.ready("192.0.2.1", None)];
    cluster.slice("web-x1", "web", PORT, unreachable).await;
    let (code, out, err) = health(&cluster.viewer, &["services", "--check"], &[]).await;
    assert_eq!(code, 1);
    assert!(out.contains("| web     | kubernetes(1) |"), "{out}");
    let expected = "unhealthy: web at 192.0.2.1:5000 (kubernetes): ";
    assert!(err.starts_with(expected), "{err}");
    assert_eq!(err.lines().count(), 1, "{err}");
}
