//! The registry's read API, requested as `a8ctl` does.

use std::collections::BTreeMap;
use std::net::SocketAddr;

use serde_json::Value;
use testkit::within;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};

use super::cluster::Cluster;
use super::{PORT, TABLE, helloworld};
use crate::rig::{Health, health};

/// The headers that Python's requests sends, and the token of `a8ctl`.
const A8CTL: &str = "Accept: application/json\r\nAccept-Encoding: gzip, deflate\r\nAuthorization: Bearer token\r\nConnection: keep-alive\r\nUser-Agent: python-requests/2.9.1\r\n";

/// A catalog that is served over HTTP.
struct Served {
    address: SocketAddr,
    _health: Health,
}

/// An answer: status, head and body.
struct Answer {
    status: u16,
    head: String,
    body: String,
}

// === impl Served ===

impl Served {
    async fn start(cluster: &Cluster) -> Self {
        let words = ["services", "--serve=127.0.0.1:0"];
        let mut health = Health::start(&cluster.viewer, &words, &[]);
        let line = health.line().await;
        let address = line.strip_prefix("serving http://").unwrap();
        let address = address.strip_suffix("/api/v1").unwrap().parse().unwrap();
        Self {
            address,
            _health: health,
        }
    }

    /// Sends a request head with a body, and reads one answer.
    async fn request_with_body(&self, request: &str, body: &str) -> Answer {
        let length = body.len();
        let head = format!(
            "{request} HTTP/1.1\r\nHost: {}\r\nContent-Length: {length}\r\n{A8CTL}\r\n{body}",
            self.address
        );
        within(request, async {
            let mut stream = TcpStream::connect(self.address).await.unwrap();
            stream.write_all(head.as_bytes()).await.unwrap();
            let mut answer = String::new();
            loop {
                if let Some((head, body)) = answer.split_once("\r\n\r\n") {
                    let head = head.to_lowercase();
                    let length = head.split("content-length: ").nth(1).unwrap();
                    let length: usize = length.lines().next().unwrap().parse().unwrap();
                    if body.len() == length {
                        let status = head.split(' ').nth(1).unwrap().parse().unwrap();
                        let body = body.to_owned();
                        return Answer { status, head, body };
                    }
                }
                let mut more = [0; 1024];
                let read = stream.read(&mut more).await.unwrap();
                assert_ne!(read, 0, "an answer must be whole: {answer}");
                answer.push_str(std::str::from_utf8(&more[..read]).unwrap());
            }
        })
        .await
    }

    async fn get(&self, path: &str) -> Value {
        let answer = self.request_with_body(&format!("GET {path}"), "").await;
        assert_eq!(answer.status, 200, "{path}: {}", answer.body);
        serde_json::from_str(&answer.body).unwrap()
    }

    /// Returns the output of `a8ctl service-list`: `service_list` of its commands.py, with its
    /// `PrettyTable`.
    async fn service_list(&self) -> String {
        let mut rows = vec![("Service".to_owned(), "Instances".to_owned())];
        let services = self.get("/api/v1/services").await;
        for service in services["services"].as_array().unwrap() {
            let service = service.as_str().unwrap();
            let found = self.get(&format!("/api/v1/services/{service}")).await;
            let mut counts = BTreeMap::new();
            for instance in found["instances"].as_array().unwrap() {
                let tags = instance["tags"].as_array().unwrap().iter();
                let tags: Vec<_> = tags.map(|tag| tag.as_str().unwrap()).collect();
                *counts.entry(tags.join(",")).or_insert(0) += 1;
            }
            let counts = counts
                .iter()
                .map(|(tags, count)| format!("{tags}({count})"));
            rows.push((service.to_owned(), counts.collect::<Vec<_>>().join(", ")));
        }
        let first = rows.iter().map(|row| row.0.len()).max().unwrap();
        let second = rows.iter().map(|row| row.1.len()).max().unwrap();
        let rule = format!("+{}+{}+\n", "-".repeat(first + 2), "-".repeat(second + 2));
        let mut table = rule.clone();
        for (at, (service, instances)) in rows.iter().enumerate() {
            let row = format!("| {service:<first$} | {instances:<second$} |\n");
            table.push_str(&row);
            if at == 0 {
                table += &rule;
            }
        }
        table + &rule
    }
}

#[tokio::test]
async fn a8ctl_prints_the_seeds_table() {
    let cluster = Cluster::fresh("served").await;
    let uid = helloworld(&cluster).await;
    let served = Served::start(&cluster).await;
    assert_eq!(served.service_list().await, TABLE);
    let (_, out, _) = health(&cluster.viewer, &["services"], &[]).await;
    assert_eq!(out, TABLE);

    let first = format!(
        r#"{{"instances":[{{"id":"{uid}-5000","service_name":"helloworld","endpoint":{{"type":"tcp","value":"172.17.0.11:5000"}},"status":"UP","last_heartbeat":"0001-01-01T00:00:00Z","tags":["v1","kubernetes"]}}"#
    );
    let all = served.request_with_body("GET /api/v1/instances", "").await;
    assert!(all.body.starts_with(&first), "{}", all.body);
    let v2 = "GET /api/v1/instances?fields=tags&tags=v2,kubernetes";
    let v2: Value = serde_json::from_str(&served.request_with_body(v2, "").await.body).unwrap();
    assert_eq!(v2["instances"].as_array().unwrap().len(), 2);

    // A change in the cluster appears in the answers.
    cluster.delete_slice("helloworld-x1").await;
    within("the service to go", async {
        while served.get("/api/v1/services").await["services"] != Value::Array(Vec::new()) {}
    })
    .await;
    let two = vec![cluster.ready("172.17.4.1", None)];
    cluster.slice("other-x1", "other", PORT, two).await;
    within("the other service to come", async {
        while !served
            .service_list()
            .await
            .contains("| other   | kubernetes(1) |")
        {}
    })
    .await;
}

#[tokio::test]
async fn headers_and_refusals_are_the_registrys() {
    let cluster = Cluster::fresh("refusals").await;
    let served = Served::start(&cluster).await;
    let registration = r#"{"service_name":"own","endpoint":{"type":"tcp","value":"10.0.0.1:80"}}"#;
    let read_only = r#"{"Error":"Read-only Catalog: API Not Supported"}"#;
    let mut ids = Vec::new();
    for (request, body, status, expected) in [
        ("POST /api/v1/instances", registration, 400, read_only),
        ("PUT /api/v1/instances/1/heartbeat", "", 400, read_only),
        ("DELETE /api/v1/instances/1", "", 400, read_only),
        (
            "GET /api/v1/services/own",
            "",
            404,
            r#"{"Error":"Failed to enumerate service names"}"#,
        ),
        (
            "GET /api/v1/instances?fields=age",
            "",
            400,
            r#"{"Error":"Undefined or malformed instance fields in filter"}"#,
        ),
        ("GET /", "", 200, ""),
    ] {
        let answer = served.request_with_body(request, body).await;
        assert_eq!(
            (answer.status, &*answer.body),
            (status, expected),
            "{request}"
        );
        assert!(
            answer
                .head
                .contains("content-type: application/json; charset=utf-8")
        );
        let id = answer.head.split("sd-request-id: ").nth(1).unwrap();
        let id = id.lines().next().unwrap().to_owned();
        assert_eq!(id.split('_').count(), 3, "{id}");
        assert!(answer.head.contains(&format!("request_id: {id}")));
        ids.push(id);
    }
    ids.dedup();
    assert_eq!(ids.len(), 6);
}

#[tokio::test]
async fn nothing_is_served_without_port_or_permission() {
    let cluster = Cluster::fresh("unserved").await;
    let taken = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = taken.local_addr().unwrap();
    let words = ["services", &*format!("--serve={address}")];
    let (code, out, err) = health(&cluster.viewer, &words, &[]).await;
    assert_eq!((code, &*out), (1, ""));
    assert!(
        err.starts_with(&format!("error: cannot listen on {address}: ")),
        "{err}"
    );

    cluster.revoke().await;
    let words = ["services", "--serve=127.0.0.1:0"];
    let (code, out, err) = health(&cluster.viewer, &words, &[]).await;
    assert_eq!((code, &*out), (1, ""));
    assert!(err.contains("cannot list resource"), "{err}");
}
