//! Watches that end as none should.

use super::*;

/// The answer to the next watch, where nothing else is wrong: the watch has to bring what happened.
async fn next_watch(trouble: impl FnOnce(&OnePod) -> Answer) -> (World, usize) {
    let world = World::start().await;
    let answer = trouble(&world.pod);
    let lists = world.pod.asked(Verb::List).len();
    world
        .api
        .becomes(world.pod.troubled_first(1, Verb::Watch, &answer));
    world.pod.is_asked(2, Verb::Watch).await;
    world.pod.drifts();
    world.is_repaired().await;
    (world, lists)
}

const GONE: &str = "{\"type\":\"ERROR\",\"object\":{\"kind\":\"Status\",\"apiVersion\":\"v1\",\"metadata\":{},\"status\":\"Failure\",\"message\":\"too old resource version: 1 (9)\",\"reason\":\"Expired\",\"code\":410}}\n";

#[tokio::test]
async fn a_version_that_is_too_old_is_listed_again() {
    let in_stream = Answer::Bytes([&watching(GONE), WATCHED].concat());
    let as_status = refusal(410, &Value::Null);
    let troubles = [
        ("410 in the stream", in_stream),
        ("410 as the status", as_status),
    ];
    each(troubles.map(|(name, answer)| async move {
        let (world, lists) = next_watch(|_| answer).await;
        // One after the cut, one after the 410.
        assert_eq!(world.pod.asked(Verb::List).len(), lists + 2, "{name}");
        let log = world.end(name).await;
        assert_eq!(
            messages(&log, "The registry: ").len(),
            1,
            "the cut alone: {log:#?}"
        );
    }))
    .await;
}

#[tokio::test]
async fn half_a_line_is_nothing() {
    let half = |pod: &OnePod| {
        let line = pod.changed("");
        Answer::Cut(watching(&line[..line.len() / 2]))
    };
    let (world, _) = next_watch(half).await;
    world.end("a line cut in half").await;
}

#[tokio::test]
async fn a_line_of_megabytes_is_a_line() {
    let large = |pod: &OnePod| Answer::Bytes(watching(&pod.changed(&"x".repeat(3 << 20))));
    let world = World::start().await;
    let answer = large(&world.pod);
    world
        .api
        .becomes(world.pod.troubled_first(1, Verb::Watch, &answer));
    // By the line alone: the list before it had nothing to repair.
    world.is_repaired().await;
    world.end("a line of 3 MiB").await;
}

#[tokio::test]
async fn a_line_without_an_end_is_given_up() {
    let endless = |_: &OnePod| Answer::Bytes(watching(&"x".repeat(5 << 20)));
    let (world, _) = next_watch(endless).await;
    let log = world.end("a line without an end").await;
    assert_eq!(
        messages(
            &log,
            "The registry: not an answer of an API server: a line of more"
        )
        .len(),
        1
    );
}

#[tokio::test]
async fn a_line_that_is_no_event_is_not_logged() {
    let garbage = |_: &OnePod| {
        Answer::Bytes(watching(&format!(
            "{{\"type\":\"MODIFIED\",\"object\":\"{SECRET}\"}}\n"
        )))
    };
    let (world, _) = next_watch(garbage).await;
    let log = world.end("a line that is no event").await;
    assert_eq!(
        messages(&log, "The registry: not an answer of an API server").len(),
        1
    );
}

#[tokio::test]
async fn watches_that_end_at_once_are_not_followed_at_once() {
    let world = World::start().await;
    let at_once = Answer::Bytes([&watching(""), WATCHED].concat());
    let before = world.pod.asked(Verb::Watch).len();
    world.api.becomes(
        world
            .pod
            .troubled(move |asked| (asked.verb == Verb::Watch).then(|| at_once.clone())),
    );
    world.pod.is_asked(before + 3, Verb::Watch).await;
    let asked = world.pod.asked(Verb::Watch);
    assert!(
        asked[before + 2] - asked[before] > Duration::from_millis(700),
        "{asked:?}"
    );
    world.pod.drifts();
    world.recover().await;
    world.end("watches that end at once").await;
}
