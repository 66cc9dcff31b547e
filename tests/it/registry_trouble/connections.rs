//! Servers that are there and say nothing, or next to nothing.

use tokio::time::Instant;

use super::*;
use crate::support::kubelet;

/// What a preStop hook and a SIGTERM may take, with `--grace_period=3s` and some for the machine.
const LEAVING: Duration = Duration::from_secs(4);

/// The server answers nothing like this for as long as it takes to see that, and is well again.
async fn ever(name: &str, verb: Verb, answer: Answer) {
    let world = World::start().await;
    let before = world.pod.asked(verb).len();
    world.trouble(
        world
            .pod
            .troubled(move |asked| (asked.verb == verb).then(|| answer.clone())),
    );
    world.pod.is_asked(before + 1, verb).await;
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
    world.trouble(world.pod.troubled(|_| Some(Answer::Silence)));
    world.pod.is_asked(2, Verb::List).await;
    let answer = kubelet::ask(world.sidecar.address, "/prestop", "*/*", LEAVING).await;
    assert_eq!(answer.said(), (503, "UNKNOWN"));
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
