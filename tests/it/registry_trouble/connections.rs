//! Servers that accept connections and send nothing, or almost nothing.

use std::net::SocketAddr;

use futures_util::future;
use testkit::kubelet;
use tokio::time::Instant;

use super::*;

/// The time limit of a preStop hook and a SIGTERM: `--grace_period=3s` and tolerance for the
/// machine.
const LEAVING: Duration = Duration::from_secs(4);

/// Gives this answer to every request of a verb until the fault has been noticed, then recovers.
async fn survives_always(name: &str, verb: Verb, answer: Answer) {
    let world = World::start().await;
    let before = world.pod.received(verb).len();
    world.trouble(
        world
            .pod
            .faulty(move |request| (request.verb == verb).then(|| answer.clone())),
    );
    world.pod.receives(before + 1, verb).await;
    world.recover().await;
    world.end(&format!("{name} to {verb:?}")).await;
}

#[tokio::test]
async fn a_silent_server_is_survived() {
    let verbs = [Verb::List, Verb::Watch, Verb::Patch];
    each(verbs.map(|verb| survives_always("silence", verb, Answer::Silence))).await;
}

#[tokio::test]
async fn a_server_that_sends_a_byte_a_second_is_survived() {
    let slow = b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\n{".to_vec();
    let verbs = [Verb::List, Verb::Watch, Verb::Patch];
    each(verbs.map(|verb| survives_always("a byte a second", verb, Answer::Drip(slow.clone()))))
        .await;
}

#[tokio::test]
async fn a_stop_does_not_wait_for_a_silent_server() {
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

#[tokio::test]
async fn a_removal_without_an_answer_is_sent_again_before_the_end() {
    let mut world = World::with_grace_period("12s").await;
    // The first write of the end is the removal.
    let script = world.pod.faulty_at_first(1, Verb::Patch, &Answer::Silence);
    world.api.replace_script(script);
    let took = world.probes.end(50).await;
    record("silence to the removal", took);
    world.sidecar.signal("TERM").await;
    assert!(world.sidecar.exit().await.success());
    let log = world.sidecar.logged("The registration has ended").await;
    assert_eq!(messages(&log, "Stopping with"), [""; 0]);
    assert_eq!(world.pod.received(Verb::Patch).len(), 4);
}

/// Requests `/prestop` as this many clients, this often each. Returns the answers and the time.
async fn call_prestop(
    clients: usize,
    times: usize,
    sidecar: SocketAddr,
) -> (Vec<String>, Duration) {
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
    let (answers, took) = call_prestop(8, 100, world.sidecar.address).await;
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
    let (answers, took) = call_prestop(100, 1, world.sidecar.address).await;
    let count = |body: &str| answers.iter().filter(|it| *it == body).count();
    assert_eq!((count("UNKNOWN"), count("BUSY")), (8, 92));
    assert!(took < LEAVING, "{took:?}");
    let reads = world.pod.received(Verb::Get).len();
    assert!(reads <= 2, "{reads}");
    assert_eq!(world.sidecar.probe("/livez").await.status, 200);
}
