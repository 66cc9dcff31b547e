//! Refusals and invalid answers.

use futures_util::FutureExt as _;

use super::*;

const REGISTRY: &str = "Registry request failed: ";

/// Gives the faulty answer to the first two writes, or the first two lists.
async fn twice(name: &str, answer: &Answer, says: &str) {
    each([Verb::Patch, Verb::List].map(|verb| async move {
        let world = World::start().await;
        world.trouble(world.pod.faulty_at_first(2, verb, answer));
        world.is_repaired().await;
        let log = world.end(&format!("{name} to {verb:?}")).await;
        // A list fails after the connection did.
        let logged = messages(&log, REGISTRY);
        assert!(
            logged.last().is_some_and(|logged| logged.contains(says)),
            "{name} to {verb:?}: {logged:#?}"
        );
    }))
    .await;
}

#[tokio::test]
async fn a_busy_server_is_retried_after_its_retry_after() {
    const AFTER: Duration = Duration::from_secs(1);
    let text = "Too many requests, please try again later.\n";
    let busy = answer(
        "429 Too Many Requests",
        "Retry-After: 1\r\nContent-Type: text/plain\r\n",
        text,
    );
    let leaving = refusal(503, &json!({"retryAfterSeconds": 1}));
    let cases = [("429 in plain text", &busy), ("503 with details", &leaving)];
    let verbs = [Verb::Patch, Verb::List, Verb::Watch];
    let cases = cases
        .into_iter()
        .flat_map(|case| verbs.map(|verb| (case, verb)));
    each(cases.map(|((name, answer), verb)| async move {
        let world = World::start().await;
        let before = world.pod.received(verb).len();
        let lists = world.pod.received(Verb::List).len();
        world.trouble(world.pod.faulty_at_first(1, verb, answer));
        world.is_repaired().await;
        world.pod.receives(before + 2, verb).await;
        let times = world.pod.received(verb);
        assert!(
            times[before + 1] - times[before] >= AFTER,
            "{name} to {verb:?}"
        );
        if verb == Verb::Watch {
            // The earlier list is still valid.
            assert_eq!(world.pod.received(Verb::List).len(), lists + 1, "{name}");
        }
        world.end(&format!("{name} to {verb:?}")).await;
    }))
    .await;
}

#[tokio::test]
async fn a_failing_server_is_retried_later() {
    twice(
        "500",
        &refusal(500, &Value::Null),
        "answers 500 Internal Server Error: by script",
    )
    .await;
}

#[tokio::test]
async fn an_invalid_answer_changes_nothing() {
    let page = format!("<html>{SECRET}</html>");
    let page = answer("200 OK", "Content-Type: text/html\r\n", &page);
    let object = answer("200 OK", "", "{}");
    let missing = answer("404 Not Found", "", "404 page not found\n");
    each([
        twice("a page", &page, "not an answer of an API server").boxed(),
        twice("an empty object", &object, "not an answer of an API server").boxed(),
        twice("a page of 404", &missing, "404 page not found").boxed(),
    ])
    .await;
}

#[tokio::test]
async fn a_conflict_is_written_again() {
    let world = World::start().await;
    world.trouble(
        world
            .pod
            .faulty_at_first(2, Verb::Patch, &refusal(409, &Value::Null)),
    );
    world.is_repaired().await;
    // The pod is read before each write.
    assert_eq!(world.pod.received(Verb::Get).len(), 2);
    world.end("409").await;
}

#[tokio::test]
async fn a_refusal_that_contains_the_pod_is_not_logged() {
    let world = World::start().await;
    let whole = world.pod.pod().to_string();
    let causes = json!([{"reason": "FieldValueInvalid", "message": format!("Invalid value: {whole}"), "field": "patch"}]);
    let body = json!({"kind": "Status", "status": "Failure", "code": 422, "reason": "Invalid", "message": format!("\"\" is invalid: patch: Invalid value: {whole}"), "details": {"causes": causes}});
    let echo = answer(
        "422 Unprocessable Entity",
        "Content-Type: application/json\r\n",
        &body.to_string(),
    );
    world.trouble(
        world
            .pod
            .faulty(move |request| (request.verb == Verb::Patch).then(|| echo.clone())),
    );
    world.pod.receives(3, Verb::Patch).await;
    let log = world.end("422 with the whole pod").await;
    let logged = messages(&log, "Registry request failed: invalid");
    assert_eq!(
        logged,
        ["Registry request failed: invalid: the server does not accept the patch"]
    );
}

#[tokio::test]
async fn a_denial_by_admission_is_no_missing_role() {
    let sentence = "admission webhook \"guard.example.com\" denied the request: no";
    each([400, 403, 409].map(|status| async move {
        let mut world = World::start().await;
        let before = world.pod.received(Verb::Patch).len();
        let body = json!({"kind": "Status", "code": status, "message": sentence});
        let denial = answer(&format!("{status} Denied"), "", &body.to_string());
        world.trouble(world.pod.faulty_at_first(9, Verb::Patch, &denial));
        let expected = format!("{REGISTRY}denied by an admission webhook: {sentence}");
        world.sidecar.logged(&expected).await;
        // The next attempt is a minute away.
        assert_eq!(world.pod.received(Verb::Patch).len(), before + 1);
        let log = world.end(&format!("a webhook's {status}")).await;
        assert_eq!(messages(&log, "Registry request failed: denied").len(), 1);
    }))
    .await;
}
