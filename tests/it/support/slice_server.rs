//! An API server of `EndpointSlices` alone: real sockets, lists, and watches that go on.
//!
//! As kube-apiserver does, it takes 100 requests at once on an HTTP/2 connection, and one
//! Service's watches hear nothing of another's slices. benches/scale uses this file too.

use std::collections::{BTreeMap, HashMap};
use std::convert::Infallible;
use std::fs;
use std::net::SocketAddr;
use std::path::Path;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};

use bytes::Bytes;
use futures_util::stream;
use http::{Request, Response, StatusCode, header};
use http_body_util::combinators::UnsyncBoxBody;
use http_body_util::{BodyExt as _, Full, StreamBody};
use hyper::body::{Frame, Incoming};
use hyper::service::service_fn;
use hyper_util::rt::{TokioExecutor, TokioIo};
use hyper_util::server::conn::auto;
use micro_health::cluster::Cluster;
use micro_health::cluster::options::Options;
use rcgen::{CertificateParams, KeyPair};
use rustls::ServerConfig;
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use serde_json::{Value, json};
use tokio::net::TcpListener;
use tokio::sync::watch;
use tokio::task::JoinSet;
use tokio_rustls::TlsAcceptor;

/// Requests at once on one connection: kube-apiserver's default.
const STREAMS: u32 = 100;

/// Who answers, and what it knows. It ends with this value.
pub struct SliceServer {
    pub address: SocketAddr,
    /// Its certificate, PEM.
    ca: String,
    known: Arc<Known>,
    _serving: JoinSet<()>,
}

/// What there is, and what was asked.
#[derive(Default)]
struct Known {
    services: Mutex<HashMap<String, watch::Sender<Service>>>,
    /// The only token that is taken; any, if there is none.
    token: Mutex<Option<String>>,
    connections: AtomicUsize,
    open: Mutex<JoinSet<()>>,
    requests: AtomicUsize,
    refused: AtomicUsize,
    watches: watch::Sender<usize>,
}

/// The slices of one Service.
#[derive(Default)]
struct Service {
    version: u64,
    /// By name: since which version, and what.
    slices: BTreeMap<String, (u64, String)>,
    /// Goes up when its watches are to end.
    ended: u64,
}

type Body = UnsyncBoxBody<Bytes, Infallible>;

// === impl SliceServer ===

impl SliceServer {
    /// Speaks HTTP/2 over TLS.
    pub async fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await;
        let listener = listener.expect("loopback must be free");
        let address = listener.local_addr().expect("it must be bound");
        let (ca, acceptor) = tls();
        let known = Arc::<Known>::default();
        let mut serving = JoinSet::new();
        serving.spawn(accept(listener, acceptor, Arc::clone(&known)));
        Self {
            address,
            ca,
            known,
            _serving: serving,
        }
    }

    /// Makes or replaces a slice.
    pub fn set(&self, service: &str, slice: &str, mut object: Value) {
        self.known.of(service).send_modify(|service| {
            service.version += 1;
            object["metadata"]["name"] = json!(slice);
            object["metadata"]["resourceVersion"] = json!(service.version.to_string());
            let told = (service.version, object.to_string());
            service.slices.insert(slice.to_owned(), told);
        });
    }

    /// Writes the files of a service account with this token.
    pub fn write_account(&self, folder: &Path, token: &str) {
        for (name, text) in [
            ("token", token),
            ("ca.crt", &self.ca),
            ("namespace", "shop"),
        ] {
            fs::write(folder.join(name), text).expect("a temporary folder must be writable");
        }
    }

    /// Takes this token alone from now on.
    pub fn take_only(&self, token: &str) {
        *self.known.token.lock().unwrap() = Some(token.to_owned());
    }

    /// Ends the watches of a Service, as every watch ends after some minutes.
    pub fn end_watches(&self, service: &str) {
        self.known.of(service).send_modify(|it| it.ended += 1);
    }

    /// Cuts every connection, as a server that is killed; the next ones are accepted.
    pub fn cut(&self) {
        self.known.open.lock().unwrap().abort_all();
    }

    /// How many connections were accepted so far.
    pub fn connections(&self) -> usize {
        self.known.connections.load(Ordering::Relaxed)
    }

    /// How many requests have come.
    pub fn requests(&self) -> usize {
        self.known.requests.load(Ordering::Relaxed)
    }

    /// How many requests were refused for their token.
    pub fn refused(&self) -> usize {
        self.known.refused.load(Ordering::Relaxed)
    }

    /// Resolves when so many watches have begun.
    pub async fn watched(&self, count: usize) {
        let mut watches = self.known.watches.subscribe();
        let begun = watches.wait_for(|begun| *begun >= count).await;
        begun.expect("the sender must live as long as the server");
    }
}

/// The cluster of a server, as a pod with these files reaches it.
pub async fn cluster(address: SocketAddr, folder: &Path) -> Cluster {
    let options = Options {
        registry_address: Some(
            format!("https://{address}")
                .parse()
                .expect("it must be one"),
        ),
        registry_namespace: None,
        service_account: folder.to_owned(),
    };
    let cluster = Cluster::new(&options, |_| None).await;
    cluster.expect("the files must be there")
}

/// A slice as the controller writes it, of addresses `10.…` from a number on.
pub fn slice(service: &str, first: usize, count: usize) -> Value {
    let endpoints = (first..first + count).map(|number| {
        let [_, b, c, d] = u32::try_from(number).unwrap_or_default().to_be_bytes();
        json!({
            "addresses": [format!("10.{b}.{c}.{d}")],
            "conditions": { "ready": true, "serving": true, "terminating": false },
            "nodeName": format!("node-{:03}", number % 500),
            "targetRef": {
                "kind": "Pod",
                "name": format!("{service}-6d4b75cb6d-{number:05x}"),
                "namespace": "shop",
                "uid": format!("0b5d3e7c-2f61-4c1a-9d3e-{number:012x}"),
            },
            "zone": format!("eu-central-1{}", ["a", "b", "c"][number % 3]),
        })
    });
    json!({
        "apiVersion": "discovery.k8s.io/v1",
        "kind": "EndpointSlice",
        "metadata": {
            "generateName": format!("{service}-"),
            "namespace": "shop",
            "uid": "7f0c6a52-83f5-4a3a-a5d4-0c6f3f7f9a11",
            "labels": {
                "endpointslice.kubernetes.io/managed-by": "endpointslice-controller.k8s.io",
                "kubernetes.io/service-name": service,
            },
            "ownerReferences": [{ "apiVersion": "v1", "kind": "Service", "name": service, "uid": "1" }],
            "managedFields": [{
                "manager": "kube-controller-manager", "operation": "Update", "apiVersion": "discovery.k8s.io/v1",
                "fieldsType": "FieldsV1", "fieldsV1": { "f:addressType": {}, "f:endpoints": {}, "f:ports": {} },
            }],
        },
        "addressType": "IPv4",
        "endpoints": endpoints.collect::<Value>(),
        "ports": [{ "name": "grpc", "port": 50051, "protocol": "TCP" }],
    })
}

fn tls() -> (String, TlsAcceptor) {
    let key = KeyPair::generate().expect("ring must make a key");
    let params = CertificateParams::new(["127.0.0.1".to_owned()]);
    let params = params.expect("an address must be a name");
    let ca = params.self_signed(&key).expect("a key must sign").pem();
    let certificate = CertificateDer::from_pem_slice(ca.as_bytes());
    let key = PrivateKeyDer::from_pem_slice(key.serialize_pem().as_bytes());
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let mut config = ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .expect("ring must have the versions")
        .with_no_client_auth()
        .with_single_cert(vec![certificate.unwrap()], key.unwrap())
        .expect("the pair must belong together");
    config.alpn_protocols = vec![b"h2".to_vec()];
    (ca, TlsAcceptor::from(Arc::new(config)))
}

async fn accept(listener: TcpListener, acceptor: TlsAcceptor, known: Arc<Known>) {
    while let Ok((stream, _)) = listener.accept().await {
        let (acceptor, known) = (acceptor.clone(), Arc::clone(&known));
        known.connections.fetch_add(1, Ordering::Relaxed);
        let _ = stream.set_nodelay(true);
        let of = Arc::clone(&known);
        of.open.lock().unwrap().spawn(async move {
            let Ok(stream) = acceptor.accept(stream).await else {
                return;
            };
            let answer = service_fn(move |request: Request<Incoming>| {
                let answer = known.answer(&request);
                async move { Ok::<_, Infallible>(answer) }
            });
            let mut builder = auto::Builder::new(TokioExecutor::new()).http2_only();
            builder.http2().max_concurrent_streams(STREAMS);
            let _ = builder.serve_connection(TokioIo::new(stream), answer).await;
        });
    }
}

// === impl Known ===

impl Known {
    fn of(&self, service: &str) -> watch::Sender<Service> {
        let mut services = self.services.lock().unwrap();
        services.entry(service.to_owned()).or_default().clone()
    }

    fn answer(&self, request: &Request<Incoming>) -> Response<Body> {
        self.requests.fetch_add(1, Ordering::Relaxed);
        let token = self.token.lock().unwrap().clone();
        let sent = request.headers().get(header::AUTHORIZATION);
        if token.is_some_and(|token| sent.is_none_or(|it| *it != format!("Bearer {token}"))) {
            self.refused.fetch_add(1, Ordering::Relaxed);
            let status = json!({
                "kind": "Status", "apiVersion": "v1", "status": "Failure",
                "code": 401, "reason": "Unauthorized", "message": "Unauthorized",
            });
            let mut response = whole(&status.to_string());
            *response.status_mut() = StatusCode::UNAUTHORIZED;
            return response;
        }
        let query = request.uri().query().unwrap_or_default();
        let after = |key: &str| {
            let (_, rest) = query.split_once(key)?;
            rest.split('&').next()
        };
        let service = after("labelSelector=kubernetes.io%2Fservice-name%3D");
        let service = self.of(service.expect("a request must be about one Service"));
        if after("watch=").is_none() {
            return whole(&service.borrow().list());
        }
        self.watches.send_modify(|begun| *begun += 1);
        let version = after("resourceVersion=").and_then(|version| version.parse().ok());
        let version = version.expect("a watch must go on from a version");
        let seen = service.subscribe();
        let ended = seen.borrow().ended;
        let told = stream::unfold((seen, version), move |(mut seen, version)| async move {
            let changed = seen.wait_for(|it| it.version > version || it.ended > ended);
            let (lines, version) = {
                let service = changed.await.ok()?;
                (service.lines(version), service.version)
            };
            // Nothing new: it is to end.
            let more = !lines.is_empty();
            more.then(|| (Ok(Frame::data(lines.into())), (seen, version)))
        });
        Response::new(StreamBody::new(told).boxed_unsync())
    }
}

// === impl Service ===

impl Service {
    fn list(&self) -> String {
        let items: Vec<_> = self
            .slices
            .values()
            .map(|(_, json)| json.as_str())
            .collect();
        format!(
            r#"{{"kind":"EndpointSliceList","apiVersion":"discovery.k8s.io/v1","metadata":{{"resourceVersion":"{}"}},"items":[{}]}}"#,
            self.version,
            items.join(",")
        )
    }

    /// What has changed since a version.
    fn lines(&self, version: u64) -> String {
        let changed = self.slices.values().filter(|(since, _)| *since > version);
        let line =
            |(_, json): &(u64, String)| format!("{{\"type\":\"MODIFIED\",\"object\":{json}}}\n");
        changed.map(line).collect::<Vec<_>>().concat()
    }
}

fn whole(json: &str) -> Response<Body> {
    Response::new(Full::from(json.to_owned()).boxed_unsync())
}
