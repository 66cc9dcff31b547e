//! Watches that end in faulty ways.

use super::*;

/// Gives this answer to the next watch and has no other fault, so that the watch must bring the
/// change.
async fn next_watch(trouble: impl FnOnce(&PodServer) -> Answer) -> (World, usize) {
    let world = World::start().await;
    let answer = trouble(&world.pod);
    let lists = world.pod.received(Verb::List).len();
    world
        .api
        .replace_script(world.pod.faulty_at_first(1, Verb::Watch, &answer));
    world.pod.receives(2, Verb::Watch).await;
    world.pod.remove_record();
    world.is_repaired().await;
    (world, lists)
}

const GONE: &str = "{\"type\":\"ERROR\",\"object\":{\"kind\":\"Status\",\"apiVersion\":\"v1\",\"metadata\":{},\"status\":\"Failure\",\"message\":\"too old resource version: 1 (9)\",\"reason\":\"Expired\",\"code\":410}}\n";

#[tokio::test]
async fn a_version_that_is_too_old_is_listed_again() {
    let in_stream = Answer::Bytes([&start_of_watch(GONE), END_OF_WATCH].concat());
    let as_status = refusal(410, &Value::Null);
    let troubles = [
        ("410 in the stream", in_stream),
        ("410 as the status", as_status),
    ];
    each(troubles.map(|(name, answer)| async move {
        let (world, lists) = next_watch(|_| answer).await;
        // There is one list after the cut and one after the 410.
        assert_eq!(world.pod.received(Verb::List).len(), lists + 2, "{name}");
        let log = world.end(name).await;
        assert_eq!(
            messages(&log, "Registry request failed: ").len(),
            1,
            "the cut alone: {log:#?}"
        );
    }))
    .await;
}

#[tokio::test]
async fn half_a_line_is_no_event() {
    let half = |pod: &PodServer| {
        let line = pod.drift_event("");
        Answer::Cut(start_of_watch(&line[..line.len() / 2]))
    };
    let (world, _) = next_watch(half).await;
    world.end("a line cut in half").await;
}

#[tokio::test]
async fn a_line_of_megabytes_is_an_event() {
    let large =
        |pod: &PodServer| Answer::Bytes(start_of_watch(&pod.drift_event(&"x".repeat(3 << 20))));
    let world = World::start().await;
    let answer = large(&world.pod);
    world
        .api
        .replace_script(world.pod.faulty_at_first(1, Verb::Watch, &answer));
    // Only the line can cause the repair: the list before it had nothing to repair.
    world.is_repaired().await;
    world.end("a line of 3 MiB").await;
}

#[tokio::test]
async fn a_line_without_an_end_is_given_up() {
    let endless = |_: &PodServer| Answer::Bytes(start_of_watch(&"x".repeat(5 << 20)));
    let (world, _) = next_watch(endless).await;
    let log = world.end("a line without an end").await;
    assert_eq!(
        messages(
            &log,
            "Registry request failed: not an answer of an API server: a line of more"
        )
        .len(),
        1
    );
}

#[tokio::test]
async fn a_line_that_is_no_event_is_not_logged() {
    let garbage = |_: &PodServer| {
        Answer::Bytes(start_of_watch(&format!(
            "{{\"type\":\"MODIFIED\",\"object\":\"{SECRET}\"}}\n"
        )))
    };
    let (world, _) = next_watch(garbage).await;
    let log = world.end("a line that is no event").await;
    assert_eq!(
        messages(
            &log,
            "Registry request failed: not an answer of an API server"
        )
        .len(),
        1
    );
}

#[tokio::test]
async fn a_watch_that_ends_at_once_is_not_restarted_at_once() {
    let world = World::start().await;
    let at_once = Answer::Bytes([&start_of_watch(""), END_OF_WATCH].concat());
    let before = world.pod.received(Verb::Watch).len();
    world.api.replace_script(
        world
            .pod
            .faulty(move |request| (request.verb == Verb::Watch).then(|| at_once.clone())),
    );
    world.pod.receives(before + 2, Verb::Watch).await;
    let request = world.pod.received(Verb::Watch);
    assert!(
        request[before + 1] - request[before] > Duration::from_millis(900),
        "{request:?}"
    );
    world.pod.remove_record();
    world.recover().await;
    world.end("watches that end at once").await;
}
