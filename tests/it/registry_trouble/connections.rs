//! Servers that are there and say nothing, or next to nothing.

use std::net::SocketAddr;

use futures_util::future;
use testkit::kubelet;
use tokio::time::Instant;

use super::*;

/// What a preStop hook and a SIGTERM may take, with `--grace_period=3s` and some for the machine.
const LEAVING: Duration = Duration::from_secs(4);

/// The server answers nothing like this for as long as it takes to see that, and is well again.
async fn ever(name: &str, verb: Verb, answer: Answer) {
    let world = World::start().await;
    let before = world.pod.received(verb).len();
    world.trouble(
        world
            .pod
            .faulty(move |asked| (asked.verb == verb).then(|| answer.clone())),
    );
    world.pod.receives(before + 1, verb).await;
    world.recover().await;
    world.end(&format!("{name} to {verb:?}")).await;
}

#[tokio::test]
async fn a_server_that_says_nothing() {
    let verbs = [Verb::List, Verb::Watch, Verb::Patch];
    each(verbs.map(|verb| ever("silence", verb, Answer::Silence))).await;
}

#[tokio::test]
async fn a_server_that_says_a_byte_a_second() {
    let slow = b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\n{".to_vec();
    let verbs = [Verb::List, Verb::Watch, Verb::Patch];
    each(verbs.map(|verb| ever("a byte a second", verb, Answer::Drip(slow.clone())))).await;
}

#[tokio::test]
async fn who_leaves_does_not_wait_for_a_server_that_says_nothing() {
    let mut world = World::start().await;
    world.trouble(world.pod.faulty(|_| Some(Answer::Silence)));
    world.pod.receives(2, Verb::List).await;
    let answer = kubelet::get(world.sidecar.address, "/prestop", "*/*", LEAVING).await;
    assert_eq!(answer.status_and_body(), (503, "UNKNOWN"));
    let took = world.probes.end(50).await;
    record("silence to everything", took);
    let leaving = Instant::now();
    world.sidecar.signal("TERM").await;
    assert!(world.sidecar.exit().await.success());
    assert!(leaving.elapsed() < LEAVING, "{:?}", leaving.elapsed());
    let log = world
        .sidecar
        .logged("Stopping with the pod still registered")
        .await;
    assert_eq!(messages(&log, "Stopping").len(), 2);
}

/// Answers of `/prestop` to clients that each ask so many times, and how long that took.
async fn asked_by(clients: usize, times: usize, sidecar: SocketAddr) -> (Vec<String>, Duration) {
    let started = Instant::now();
    let each = (0..clients).map(|_| async {
        let mut answers = Vec::new();
        for _ in 0..times {
            let answer = kubelet::get(sidecar, "/prestop", "*/*", LEAVING).await;
            answers.push(answer.body);
        }
        answers
    });
    let answers = future::join_all(each).await.concat();
    (answers, started.elapsed())
}

#[tokio::test]
async fn any_number_of_prestop_hooks_makes_one_request_a_second() {
    let world = World::start().await;
    let (answers, took) = asked_by(8, 100, world.sidecar.address).await;
    assert!(answers.iter().all(|it| it == "NOT_TERMINATING"));
    let reads = world.pod.received(Verb::Get).len();
    assert!(reads as u64 <= took.as_secs() + 1, "{reads} in {took:?}");
    let log = world.end("eight hundred preStop hooks").await;
    assert_eq!(messages(&log, "/prestop was called").len(), 1);
}

#[tokio::test]
async fn prestop_hooks_that_wait_for_a_silent_server_hold_few_connections() {
    let world = World::start().await;
    world.trouble(world.pod.faulty(|_| Some(Answer::Silence)));
    let (answers, took) = asked_by(100, 1, world.sidecar.address).await;
    let count = |body: &str| answers.iter().filter(|it| *it == body).count();
    assert_eq!((count("UNKNOWN"), count("BUSY")), (8, 92));
    assert!(took < LEAVING, "{took:?}");
    let reads = world.pod.received(Verb::Get).len();
    assert!(reads <= 2, "{reads}");
    assert_eq!(world.sidecar.probe("/livez").await.status, 200);
}
