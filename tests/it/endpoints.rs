//! A Service as the target: the sidecar checks every endpoint, and a policy decides. The API
//! server is a script on loopback; the services are real.

use std::convert::Infallible;
use std::net::SocketAddr;
use std::sync::Arc;

use bytes::Bytes;
use futures_util::stream;
use http::{Request, Response};
use http_body_util::combinators::UnsyncBoxBody;
use http_body_util::{BodyExt as _, Full, StreamBody};
use hyper::body::{Frame, Incoming};
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use serde_json::{Value, json};
use testkit::process::{self, Process};
use testkit::{kubelet, within};
use tokio::net::TcpListener;
use tokio::sync::watch;
use tokio::task::JoinHandle;

use crate::PROGRAM;
use crate::probe::service::{grpc, refusing, serve};
use crate::sidecar::Sidecar;

/// The flag that makes a Service the target.
pub const TARGET: &str = "--server_address=kubernetes:///greeter.shop:grpc";

/// An API server with the slices of one Service. Dropping it stops the server.
pub struct ApiServer {
    pub address: SocketAddr,
    known: Arc<watch::Sender<Known>>,
    serving: JoinHandle<()>,
}

/// The endpoints with their readiness, and their version.
type Known = (u64, Vec<(SocketAddr, bool)>);

type Body = UnsyncBoxBody<Bytes, Infallible>;

impl ApiServer {
    pub async fn start(endpoints: &[(SocketAddr, bool)]) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let known = Arc::new(watch::Sender::new((1, endpoints.to_vec())));
        let shared = Arc::clone(&known);
        let serving = tokio::spawn(async move {
            let mut open = tokio::task::JoinSet::new();
            while let Ok((stream, _)) = listener.accept().await {
                let shared = Arc::clone(&shared);
                let answer = service_fn(move |request: Request<Incoming>| {
                    let body = answer(&request, &shared);
                    async move { Ok::<_, Infallible>(body) }
                });
                let builder = hyper::server::conn::http1::Builder::new();
                open.spawn(builder.serve_connection(TokioIo::new(stream), answer));
            }
        });
        Self {
            address,
            known,
            serving,
        }
    }

    pub fn set(&self, endpoints: Vec<(SocketAddr, bool)>) {
        self.known
            .send_modify(|known| *known = (known.0 + 1, endpoints));
    }

    /// Returns the flag that names the API server.
    pub fn flag(&self) -> String {
        format!("--registry_address=http://{}", self.address)
    }
}

impl Drop for ApiServer {
    fn drop(&mut self) {
        self.serving.abort();
    }
}

/// Answers a list. A watch ends as too old as soon as anything changes.
fn answer(request: &Request<Incoming>, known: &Arc<watch::Sender<Known>>) -> Response<Body> {
    let query = request.uri().query().unwrap_or_default();
    assert!(query.contains("service-name%3Dgreeter"), "{query}");
    let path = "/apis/discovery.k8s.io/v1/namespaces/shop/endpointslices";
    assert_eq!(request.uri().path(), path);
    if !query.contains("watch=true") {
        let (version, endpoints) = known.borrow().clone();
        let slices: Value = endpoints.iter().map(slice).collect();
        let list = json!({
            "kind": "EndpointSliceList", "apiVersion": "discovery.k8s.io/v1",
            "metadata": { "resourceVersion": version.to_string() }, "items": slices,
        });
        return Response::new(Full::from(list.to_string()).boxed_unsync());
    }
    let gone = json!({
        "type": "ERROR",
        "object": {
            "kind": "Status", "apiVersion": "v1", "status": "Failure", "code": 410,
            "reason": "Expired", "message": "too old",
        },
    });
    let version = query.split("resourceVersion=").nth(1).unwrap_or_default();
    let version: u64 = version.split('&').next().unwrap().parse().unwrap();
    let mut changes = known.subscribe();
    let body = stream::once(async move {
        let _ = changes.wait_for(|known| known.0 != version).await;
        Ok(Frame::data(Bytes::from(format!("{gone}\n"))))
    });
    Response::new(StreamBody::new(body).boxed_unsync())
}

/// Returns a slice for one endpoint, because the ports differ.
fn slice((address, ready): &(SocketAddr, bool)) -> Value {
    json!({
        "metadata": { "name": format!("greeter-{}", address.port()), "resourceVersion": "1" },
        "addressType": "IPv4",
        "endpoints": [{
            "addresses": [address.ip()],
            "conditions": { "ready": ready },
            "targetRef": { "kind": "Pod", "name": format!("greeter-{}", address.port()) },
        }],
        "ports": [{ "name": "grpc", "port": address.port() }],
    })
}

/// Runs `health probe` and returns its exit code and answer.
async fn probe(api: &ApiServer, flags: &[&str]) -> (i32, Value) {
    let mut command = process::command(PROGRAM);
    command
        .args([
            "probe",
            "--server_name=greeter",
            TARGET,
            &api.flag(),
            "-o",
            "json",
        ])
        .args(["--protocol=grpc"])
        .args(flags);
    let output = within("health probe", command.output()).await.unwrap();
    let answer = serde_json::from_slice(&output.stdout);
    let answer = answer.unwrap_or_else(|error| panic!("{error}: {output:?}"));
    (output.status.code().unwrap(), answer)
}

/// Accepts connections and never answers.
async fn hanging() -> SocketAddr {
    serve(|stream| async move {
        let _open = stream;
        std::future::pending::<()>().await;
    })
    .await
}

fn row(answer: &Value, address: SocketAddr) -> &Value {
    let rows = answer["endpoints"].as_array().unwrap();
    let found = rows
        .iter()
        .find(|row| row["address"] == address.to_string());
    found.unwrap_or_else(|| panic!("{address} must be in {answer}"))
}

#[tokio::test]
async fn require_sets_the_number_of_healthy_endpoints() {
    let (well, heads) = grpc("ok").await;
    let (unwell, _) = grpc("degraded").await;
    let gone = refusing().await;
    let api = ApiServer::start(&[(well, true), (unwell, true), (gone, true)]).await;
    for (require, expected) in [("any", 0), ("1", 0), ("all", 4), ("2", 4), ("34%", 4)] {
        let (code, answer) = probe(&api, &[&format!("--require={require}")]).await;
        assert_eq!(
            (code, answer["endpoints"].as_array().unwrap().len()),
            (expected, 3),
            "{require}: {answer}"
        );
    }
    let (_, answer) = probe(&api, &["--require=all"]).await;
    let results = [well, unwell, gone].map(|address| row(&answer, address)["result"].clone());
    assert_eq!(results, ["ok", "not_serving", "unreachable"]);
    assert_eq!(
        row(&answer, well)["pod"],
        format!("greeter-{}", well.port())
    );
    assert_eq!(answer["reason"], "not_serving");
    // The authority is that of kuberesolver's clients since release 6.
    let authority = heads.lock().unwrap()[0].uri.authority().cloned();
    assert_eq!(authority.unwrap().as_str(), "greeter.shop");

    let api = ApiServer::start(&[(gone, true)]).await;
    assert_eq!(probe(&api, &[]).await.0, 2);
}

#[tokio::test]
async fn only_ready_endpoints_are_checked_without_include_not_ready() {
    let (well, _) = grpc("ok").await;
    let api = ApiServer::start(&[(well, false)]).await;
    let (code, answer) = probe(&api, &[]).await;
    assert_eq!((code, &answer["reason"]), (2, &json!("no_endpoints")));
    assert_eq!(
        answer["message"],
        "no endpoint to check: none of the 1 endpoints of greeter.shop is ready"
    );
    let (code, answer) = probe(&api, &["--include_not_ready"]).await;
    assert_eq!((code, &row(&answer, well)["ready"]), (0, &json!(false)));
    let api = ApiServer::start(&[]).await;
    assert_eq!(probe(&api, &["--include_not_ready"]).await.0, 2);
}

#[tokio::test]
async fn an_endpoint_that_hangs_does_not_delay_the_others() {
    let (well, _) = grpc("ok").await;
    let hung = hanging().await;
    let mut endpoints = vec![(well, true), (hung, true)];
    let api = ApiServer::start(&endpoints).await;
    let (code, answer) = probe(&api, &[]).await;
    assert_eq!((code, &row(&answer, hung)["result"]), (0, &Value::Null));
    let (code, answer) = probe(&api, &["--require=all", "--check_timeout=300ms"]).await;
    assert_eq!(
        (code, &answer["reason"]),
        (3, &json!("deadline")),
        "{answer}"
    );
    assert_eq!(row(&answer, well)["result"], "ok");
    // There are more endpoints than are checked at once.
    for _ in 0..20 {
        endpoints.insert(0, (hanging().await, true));
    }
    let api = ApiServer::start(&endpoints).await;
    let (code, answer) = probe(&api, &["--require=all", "--check_timeout=300ms"]).await;
    let rows = answer["endpoints"].as_array().unwrap();
    let deadlines = rows
        .iter()
        .filter(|row| row["result"] == "deadline")
        .count();
    assert_eq!((code, rows.len()), (3, 22));
    assert!(deadlines >= 21, "{answer}");
}

#[tokio::test]
async fn the_sidecar_follows_the_endpoints_and_keeps_them_while_the_api_server_is_away() {
    let (one, _) = grpc("ok").await;
    let (other, _) = grpc("ok").await;
    let api = ApiServer::start(&[(one, true)]).await;
    let flags = [TARGET, &api.flag(), "--protocol=grpc", "--require=all"];
    let sidecar = Sidecar::start(one, &flags).await;
    assert_eq!(sidecar.probe("/health").await.status, 200);
    api.set(vec![(one, true), (other, true)]);
    until(&sidecar, &[one, other]).await;

    // The last endpoint becomes the only one that is checked.
    let gone = refusing().await;
    api.set(vec![(one, true), (gone, true)]);
    until(&sidecar, &[one, gone]).await;
    assert_eq!(sidecar.probe("/health").await.status, 500);
    api.set(vec![(other, true)]);
    until(&sidecar, &[other]).await;
    drop(api);
    assert_eq!(sidecar.probe("/health").await.status, 200);
}

/// Probes until exactly these endpoints are checked.
async fn until(sidecar: &Sidecar, expected: &[SocketAddr]) {
    let mut expected: Vec<_> = expected.iter().map(ToString::to_string).collect();
    expected.sort_unstable();
    let checked = async {
        loop {
            sidecar.probe("/health").await;
            let page = kubelet::get(
                sidecar.address,
                "/statusz",
                "application/json",
                kubelet::TIMEOUT,
            );
            let page: Value = serde_json::from_str(&page.await.body).unwrap();
            let rows = page["targets"][0]["endpoints"]
                .as_array()
                .cloned()
                .unwrap_or_default();
            let mut found: Vec<_> = rows
                .iter()
                .map(|row| row["address"].as_str().unwrap().to_owned())
                .collect();
            found.sort_unstable();
            if found == expected {
                return;
            }
        }
    };
    within("these endpoints to be checked", checked).await;
}

#[tokio::test]
async fn a_service_that_may_be_the_pods_own_is_warned_about() {
    let api = ApiServer::start(&[]).await;
    let mut command = process::command(PROGRAM);
    command
        .args([
            "--health_address=127.0.0.1:0",
            "--log_format=json",
            "--server_name=greeter",
        ])
        .args([TARGET, &api.flag()]);
    let mut process = Process::spawn(command).await;
    let log = process.log(2).await;
    let warning = log[1]["message"].as_str().unwrap();
    let expected = "kubernetes://shop/greeter:grpc may be this pod's own Service";
    assert!(warning.starts_with(expected), "{log:?}");
    // A Service without endpoints is a verdict, and at once.
    let answer = process.probe("/healthz?code=reason").await;
    assert_eq!(answer.status, 503);
}
