//! Watches of the `ConfigMap` and of the catalog under every behaviour of the API server. A
//! script answers under a real `kube::Client`; time is paused, so no test waits.

use std::time::Duration;

use futures_util::{Stream, StreamExt as _};
use micro_health::catalog::Catalog;
use micro_health::config::{Config, Environment};
use serde_json::{Value, json};
use testkit::api_server::{NAMESPACE, Reply, client, client_in_order, event, gone, list, refused};
use testkit::{process, within};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpListener;
use tokio::time::Instant;

fn config_map(version: &str, host: &str) -> Value {
    json!({
        "kind": "ConfigMap",
        "apiVersion": "v1",
        "metadata": {"name": "micro", "namespace": NAMESPACE, "resourceVersion": version},
        "data": {"mongodb": format!("host={host}")},
    })
}

fn slice() -> Value {
    slice_of("web")
}

fn slice_of(service: &str) -> Value {
    json!({
        "kind": "EndpointSlice",
        "apiVersion": "discovery.k8s.io/v1",
        "metadata": {
            "name": format!("{service}-1"),
            "resourceVersion": "2",
            "labels": {"kubernetes.io/service-name": service},
        },
        "addressType": "IPv4",
        "ports": [{"port": 80}],
        "endpoints": [{"addresses": ["10.0.0.1"]}],
    })
}

fn config(client: kube::Client) -> Config {
    Config::new(client, NAMESPACE, "micro", Environment::default())
}

/// Asserts that no event comes, however long the wait.
async fn no_event_comes<T: std::fmt::Debug>(watched: &mut (impl Stream<Item = T> + Unpin)) {
    let next = tokio::time::timeout(Duration::from_mins(1), watched.next()).await;
    assert!(next.is_err(), "{next:?}");
}

#[tokio::test(start_paused = true)]
async fn a_missed_change_is_one_event_and_no_change_is_none() {
    for too_late in [
        Reply::OpenWatch(vec![gone()]),
        refused(410, "too old resource version: 1 (9)"),
    ] {
        let (client, wire) = client_in_order([
            list("10", [config_map("1", "a")]),
            list("10", [config_map("1", "a")]),
            too_late.clone(),
            list("20", [config_map("1", "a")]),
            too_late.clone(),
            list("30", [config_map("25", "b")]),
            Reply::OpenWatch(vec![]),
        ]);
        let mut config = config(client);
        within("the ConfigMap", config.load()).await.unwrap();
        assert_eq!(config.get(&["mongodb", "host"]), Some(&json!("a")));
        let mut watched = config.watch().boxed();
        let change = within("a change", watched.next()).await.unwrap().unwrap();
        assert_eq!(change.event.as_str(), "edited");
        assert_eq!(change.values, json!({"mongodb": {"host": "b"}}));
        no_event_comes(&mut watched).await;
        assert_eq!(wire.requests().len(), 7, "{too_late:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_refusal_is_reported_and_the_watch_goes_on() {
    let (client, _) = client_in_order([
        list("10", [config_map("1", "a")]),
        refused(500, "etcdserver: request timed out"),
        list("20", [config_map("1", "a")]),
        Reply::OpenWatch(vec![
            event("MODIFIED", &config_map("21", "b")),
            event("DELETED", &config_map("22", "b")),
        ]),
    ]);
    let mut watched = config(client).watch().boxed();
    let mut outcomes = Vec::new();
    for _ in 0..4 {
        let next = within("a change", watched.next()).await.unwrap();
        outcomes
            .push(next.map_or_else(|error| error.to_string(), |it| it.event.as_str().to_owned()));
    }
    assert!(outcomes[1].contains("etcdserver"), "{outcomes:?}");
    outcomes.remove(1);
    assert_eq!(outcomes, ["created", "edited", "deleted"]);
    no_event_comes(&mut watched).await;
}

#[tokio::test(start_paused = true)]
async fn a_refused_catalog_reports_each_try_and_does_not_change() {
    let mut watches = 0;
    let (client, _) =
        client(
            move |request| match (request.path.ends_with("/pods"), request.is_watch()) {
                (true, false) => list("10", []),
                (true, true) => Reply::OpenWatch(Vec::new()),
                (false, false) => list("10", [slice()]),
                (false, true) => {
                    watches += 1;
                    if watches == 1 {
                        refused(403, "User \"x\" cannot watch resource \"endpointslices\"")
                    } else {
                        Reply::OpenWatch(Vec::new())
                    }
                }
            },
        );
    let mut watched = Catalog::new(client, NAMESPACE).watch().boxed();
    let services = within("the services", watched.next())
        .await
        .unwrap()
        .unwrap();
    assert_eq!(services.up("web").map(|up| up.len()), Some(1));
    let refusal = within("a refusal", watched.next())
        .await
        .unwrap()
        .unwrap_err();
    assert!(refusal.is_denied(), "{refusal}");
    no_event_comes(&mut watched).await;
    no_event_comes(&mut watched).await;
}

#[tokio::test(start_paused = true)]
async fn a_watch_that_ends_at_once_is_restarted_once_a_second() {
    let answer = || {
        client(|request| {
            if request.is_watch() {
                Reply::EndedWatch(Vec::new())
            } else {
                list("10", [])
            }
        })
    };
    let (client, wire) = answer();
    no_event_comes(&mut config(client).watch().boxed()).await;
    let count = wire.requests().len();
    assert!((55..=62).contains(&count), "{count} in a minute");

    let (client, wire) = answer();
    let mut watched = Catalog::new(client, NAMESPACE).watch().boxed();
    within("the services", watched.next())
        .await
        .unwrap()
        .unwrap();
    no_event_comes(&mut watched).await;
    let count = wire.requests().len();
    assert!((110..=124).contains(&count), "{count} of two in a minute");
}

/// Serves one list of this `ConfigMap` to each connection.
#[cfg(feature = "commands")]
async fn serve(listener: TcpListener, config_map: Value) {
    let body = json!({
        "kind": "ConfigMapList",
        "apiVersion": "v1",
        "metadata": {"resourceVersion": "1"},
        "items": [config_map],
    });
    let body = body.to_string();
    let length = body.len();
    let answer = format!("HTTP/1.1 200 OK\r\nContent-Length: {length}\r\n\r\n{body}");
    while let Ok((mut stream, _)) = listener.accept().await {
        let _ = stream.read(&mut [0; 4096]).await;
        let _ = stream.write_all(answer.as_bytes()).await;
    }
}

#[cfg(feature = "commands")]
#[tokio::test]
async fn a_byte_order_mark_is_no_part_of_a_name_and_binary_data_is_mentioned() {
    let mut config_map = config_map("1", "a");
    config_map["data"]["app"] = "\u{feff}a=1\r\n".into();
    config_map["binaryData"] = json!({"utf16.properties": "//4="});
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let server = format!(
        "--registry_address=http://{}",
        listener.local_addr().unwrap()
    );
    let mut command = process::command(crate::PROGRAM);
    command.args(["config", "dump", "--without_env", "-o", "json", &server]);
    let output = tokio::select! {
        output = within("health config", command.output()) => output.unwrap(),
        () = serve(listener, config_map) => unreachable!("the server must go on"),
    };
    let out: Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!(out, json!({"mongodb": {"host": "a"}, "app": {"a": "1"}}));
    let log = String::from_utf8(output.stderr).unwrap();
    assert_eq!(log.lines().count(), 1, "{log}");
    for part in [
        "binaryData of the ConfigMap is not read",
        "utf16.properties",
    ] {
        assert!(log.contains(part), "{log}");
    }
    assert!(output.status.success(), "{log}");
}

/// Returns a page of slices, after which there is another one.
fn page(token: &str, services: impl IntoIterator<Item = String>) -> Reply {
    let items: Vec<_> = services.into_iter().map(|it| slice_of(&it)).collect();
    let metadata = json!({"resourceVersion": "10", "continue": token});
    Reply::Json(200, json!({"metadata": metadata, "items": items}))
}

#[tokio::test(start_paused = true)]
async fn a_watch_lists_page_by_page_and_whole_if_a_page_has_expired() {
    let (client, wire) =
        client(
            |request| match (request.path.ends_with("/pods"), request.is_watch()) {
                (true, false) => list("10", []),
                (_, true) => Reply::OpenWatch(Vec::new()),
                (false, false) => match (request.query("limit"), request.query("continue")) {
                    ("500", "") => page("a", (0..500).map(|it| format!("old-{it}"))),
                    ("500", "a") => page("b+c", [String::from("old")]),
                    ("500", "b+c") => refused(410, "The provided continue parameter is too old"),
                    ("", "") => list("20", ["web", "db"].map(slice_of)),
                    (limit, token) => refused(400, &format!("{limit} {token}")),
                },
            },
        );
    let started = Instant::now();
    let mut watched = Catalog::new(client, NAMESPACE).watch().boxed();
    let services = within("the services", watched.next()).await;
    let services = services.unwrap().unwrap();
    let names: Vec<_> = services.iter().map(|(name, _)| name).collect();
    assert_eq!(names, ["db", "web"]);
    let took = started.elapsed();
    assert!(took < Duration::from_millis(100), "{took:?}");
    no_event_comes(&mut watched).await;
    let requests = wire.requests();
    let watch = requests
        .iter()
        .find(|it| it.is_watch() && !it.path.ends_with("/pods"));
    assert_eq!(watch.unwrap().query("resourceVersion"), "20");
}
