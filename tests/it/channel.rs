//! A Service as a Rust client calls it, while its endpoints come and go.

use std::net::SocketAddr;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use http::Request;
use hyper::body::Incoming;
use hyper::service::service_fn;
use hyper_util::rt::{TokioExecutor, TokioIo};
use hyper_util::server::conn::auto;
use micro_health::resolver::Resolver;
use micro_health::resolver::channel::{Builder, Channel};
use tokio::net::TcpListener;
use tokio::sync::watch;
use tokio::task::{JoinHandle, JoinSet};
use tonic::Code;
use tonic_health::pb::HealthCheckRequest;
use tonic_health::pb::health_client::HealthClient;
use tonic_health::pb::health_server::HealthServer;
use tonic_health::server::{HealthReporter, HealthService};
use tower_service::Service as _;

use crate::endpoints::ApiServer;
use crate::probe::service::refusing;
use crate::support::within;

const TARGET: &str = "kubernetes:///greeter.shop:grpc";

/// A replica: finishes what it has when it is told to stop.
struct Replica {
    address: SocketAddr,
    calls: Arc<AtomicUsize>,
    /// Lets the first call be answered, where that is held up.
    release: watch::Sender<bool>,
    stop: watch::Sender<bool>,
    serving: JoinHandle<()>,
}

impl Replica {
    async fn start() -> Self {
        Self::released(true).await
    }

    /// With the first call held up, or not.
    async fn released(is_released: bool) -> Self {
        let (release, released) = watch::channel(is_released);
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let reporter = HealthReporter::new();
        let calls = Arc::<AtomicUsize>::default();
        let counted = Arc::clone(&calls);
        let (stop, stopped) = watch::channel(false);
        let serving = tokio::spawn(async move {
            let mut connections = JoinSet::new();
            let mut stopping = stopped.clone();
            loop {
                let stream = tokio::select! {
                    accepted = listener.accept() => accepted.unwrap().0,
                    _ = stopping.wait_for(|stop| *stop) => break,
                };
                let service =
                    HealthServer::new(HealthService::from_health_reporter(reporter.clone()));
                let (counted, mut stopped) = (Arc::clone(&counted), stopped.clone());
                let released = released.clone();
                connections.spawn(async move {
                    let answer = service_fn(move |request: Request<Incoming>| {
                        let is_first = counted.fetch_add(1, Ordering::Relaxed) == 0;
                        let (mut service, mut released) = (service.clone(), released.clone());
                        async move {
                            let _ = released.wait_for(|released| *released || !is_first).await;
                            service.call(request).await
                        }
                    });
                    let builder = auto::Builder::new(TokioExecutor::new()).http2_only();
                    let connection = builder.serve_connection(TokioIo::new(stream), answer);
                    tokio::pin!(connection);
                    tokio::select! {
                        _ = connection.as_mut() => return,
                        _ = stopped.wait_for(|stop| *stop) => {}
                    }
                    connection.as_mut().graceful_shutdown();
                    let _ = connection.await;
                });
            }
            drop(listener);
            connections.join_all().await;
        });
        Self {
            address,
            calls,
            release,
            stop,
            serving,
        }
    }

    fn calls(&self) -> usize {
        self.calls.load(Ordering::Relaxed)
    }

    async fn stop(self) {
        self.stop.send_replace(true);
        within("a replica to stop", self.serving).await.unwrap();
    }
}

/// The endpoints of these replicas, all ready.
fn ready(replicas: &[Replica]) -> Vec<(SocketAddr, bool)> {
    replicas.iter().map(|it| (it.address, true)).collect()
}

fn builder(api: &ApiServer) -> Builder {
    let config = kube::Config::new(format!("http://{}", api.address).parse().unwrap());
    let client = kube::Client::try_from(config).unwrap();
    Builder::new(Resolver::new(client, "shop"))
}

async fn call(channel: &Channel) -> Result<(), tonic::Status> {
    let request = HealthCheckRequest::default();
    let mut client = HealthClient::new(channel.clone());
    within("an answer", client.check(request)).await.map(drop)
}

#[tokio::test]
async fn ten_replicas_are_replaced_under_load_and_no_request_fails() {
    let mut replicas = Vec::new();
    for _ in 0..10 {
        replicas.push(Replica::start().await);
    }
    let api = ApiServer::start(&ready(&replicas)).await;
    let channel = builder(&api).connect(TARGET).unwrap();
    let failed = Arc::<Mutex<Vec<String>>>::default();
    let answered = Arc::<AtomicUsize>::default();
    let mut load = JoinSet::new();
    for _ in 0..8 {
        let (channel, failed, answered) = (channel.clone(), failed.clone(), answered.clone());
        load.spawn(async move {
            loop {
                if let Err(status) = call(&channel).await {
                    failed.lock().unwrap().push(status.to_string());
                }
                answered.fetch_add(1, Ordering::Relaxed);
            }
        });
    }
    for round in 0..10 {
        let fresh = Replica::start().await;
        let calls = Arc::clone(&fresh.calls);
        replicas.push(fresh);
        api.set(ready(&replicas));
        within("the new replica to be called", async {
            while calls.load(Ordering::Relaxed) < 10 {
                tokio::task::yield_now().await;
            }
        })
        .await;
        let old = replicas.remove(0);
        if round % 2 == 0 {
            // The pod ends before its endpoint does, as it may.
            old.stop().await;
            api.set(ready(&replicas));
        } else {
            api.set(ready(&replicas));
            old.stop().await;
        }
    }
    let before = answered.load(Ordering::Relaxed);
    within("the last replicas to answer", async {
        while answered.load(Ordering::Relaxed) < before + 100 {
            tokio::task::yield_now().await;
        }
    })
    .await;
    load.shutdown().await;
    let answered = answered.load(Ordering::Relaxed);
    assert_eq!(*failed.lock().unwrap(), [""; 0], "of {answered}");
    assert!(answered > 200, "{answered}");
}

#[tokio::test]
async fn a_replica_that_stops_finishes_what_it_has_and_is_given_no_more() {
    let old = Replica::released(false).await;
    let api = ApiServer::start(&[(old.address, true)]).await;
    let channel = builder(&api).connect(TARGET).unwrap();
    let held = tokio::spawn({
        let channel = channel.clone();
        async move { call(&channel).await }
    });
    within("the call to be held up", async {
        while old.calls() == 0 {
            tokio::task::yield_now().await;
        }
    })
    .await;
    // Its connection stays open for that call, and its endpoint is still ready.
    old.stop.send_replace(true);
    let fresh = Replica::start().await;
    api.set(vec![(old.address, true), (fresh.address, true)]);
    for _ in 0..20 {
        call(&channel).await.unwrap();
    }
    let (calls, fresh_calls) = (old.calls(), fresh.calls());
    call(&channel).await.unwrap();
    assert_eq!((old.calls(), fresh.calls()), (calls, fresh_calls + 1));
    old.release.send_replace(true);
    within("the call that was held up", held)
        .await
        .unwrap()
        .unwrap();
    old.stop().await;
}

#[tokio::test]
async fn replicas_take_turns_and_one_that_refuses_has_none() {
    let replicas = [Replica::start().await, Replica::start().await];
    let mut endpoints = ready(&replicas);
    endpoints.push((refusing().await, true));
    let api = ApiServer::start(&endpoints).await;
    let channel = builder(&api).connect(TARGET).unwrap();
    // Until both are connected one may be called more often.
    within("both to be called", async {
        while replicas.iter().any(|it| it.calls() == 0) {
            call(&channel).await.unwrap();
        }
    })
    .await;
    let before = replicas.each_ref().map(Replica::calls);
    for _ in 0..20 {
        call(&channel).await.unwrap();
    }
    let after = replicas.each_ref().map(Replica::calls);
    assert_eq!([after[0] - before[0], after[1] - before[1]], [10, 10]);
}

#[tokio::test]
async fn a_service_without_a_replica_is_unavailable_until_it_has_one() {
    let gone = refusing().await;
    let api = ApiServer::start(&[(gone, true)]).await;
    let builder = builder(&api)
        .patience(Duration::from_millis(300))
        .scheme("k8s");
    assert!(builder.connect(TARGET).is_err());
    let channel = builder.connect("k8s:///greeter.shop:grpc").unwrap();
    let status = call(&channel).await.unwrap_err();
    assert_eq!(status.code(), Code::Unavailable);
    assert!(status.message().contains(&gone.to_string()), "{status}");
    let replica = Replica::start().await;
    api.set(ready(std::slice::from_ref(&replica)));
    within("it to be available", async {
        while call(&channel).await.is_err() {}
    })
    .await;
    assert_eq!(replica.calls(), 1);
}
