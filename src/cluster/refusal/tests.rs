use super::*;
use serde_json::json;

fn of(status: u16, body: &serde_json::Value) -> Refusal {
    Refusal::of(
        StatusCode::from_u16(status).unwrap(),
        None,
        body.to_string().as_bytes(),
    )
}

fn causes(fields: &[(&str, &str)]) -> serde_json::Value {
    let causes: Vec<_> = fields
        .iter()
        .map(|(field, message)| json!({"field": field, "reason": "FieldValueInvalid", "message": message}))
        .collect();
    json!({"message": "Pod \"g-0\" is invalid", "details": {"causes": causes}})
}

#[test]
fn a_422_means_four_things() {
    let immutable = "Invalid value: \"0\": field is immutable";
    assert_eq!(
        of(
            422,
            &causes(&[("metadata.uid", immutable), ("metadata.uid", immutable)])
        ),
        Refusal::Replaced
    );
    let long = ("metadata.labels", "name part must be no more than 63 bytes");
    assert_eq!(
        of(422, &causes(&[long, long, ("metadata.annotations", "Too long"), long])),
        Refusal::Invalid("metadata.labels: name part must be no more than 63 bytes; metadata.annotations: Too long".into())
    );
    let policy = json!({"message": "ValidatingAdmissionPolicy 'own-pod' denied request", "details": {"causes": [{"message": "denied"}]}});
    assert_eq!(
        of(422, &policy),
        Refusal::Policy("ValidatingAdmissionPolicy 'own-pod' denied request".into())
    );
    let whole = json!({"message": "\"\" is invalid: patch: {\"spec\": SECRET", "details": {"causes": [{"field": "patch", "message": "{\"spec\": SECRET"}]}});
    assert!(!of(422, &whole).to_string().contains("SECRET"));
    let spec = causes(&[(
        "spec",
        "Forbidden: may not change fields\ncore.PodSpec{SECRET}",
    )]);
    assert_eq!(
        of(422, &spec),
        Refusal::Invalid("spec: FieldValueInvalid".into())
    );
}

#[test]
fn a_server_that_is_busy_says_when_to_come_back() {
    // API Priority and Fairness answers in plain text, with the header alone.
    let after = Some(Duration::from_secs(1));
    let busy = Refusal::of(
        StatusCode::TOO_MANY_REQUESTS,
        after,
        b"Too many requests, please try again later.\n",
    );
    let Refusal::Unavailable { retry_after, .. } = busy else {
        panic!("{busy}")
    };
    assert_eq!(retry_after, after);
    let busy = of(
        503,
        &json!({"message": "shutting down", "details": {"retryAfterSeconds": 7}}),
    );
    let Refusal::Unavailable { retry_after, .. } = busy else {
        panic!("{busy}")
    };
    assert_eq!(retry_after, Some(Duration::from_secs(7)));
}

#[test]
fn a_forbidden_request_keeps_the_servers_own_sentence() {
    let message = "pods \"own-0\" is forbidden: User \"system:serviceaccount:demo:greeter\" cannot patch resource \"pods\" in API group \"\" in the namespace \"demo\"";
    let refusal = of(
        403,
        &json!({"kind": "Status", "message": message, "code": 403}),
    );
    assert_eq!(refusal.to_string(), format!("forbidden: {message}"));
    assert!(refusal.is_denied());
    for (status, expected) in [
        (401, Refusal::Unauthorized),
        (409, Refusal::Conflict),
        (404, Refusal::NotFound(message.into())),
    ] {
        assert_eq!(
            of(status, &json!({"kind": "Status", "message": message})),
            expected
        );
    }
}

#[test]
fn only_a_status_says_that_there_is_no_pod() {
    let page = Refusal::of(StatusCode::NOT_FOUND, None, b"404 page not found\n");
    assert_eq!(page, Refusal::Answer("404 404 page not found ".into()));
    let missing = kube::core::Status::failure("pods \"g-0\" not found", "NotFound").with_code(404);
    let missing = Refusal::of_kube(&kube::Error::Api(missing.boxed()));
    assert_eq!(missing, Refusal::NotFound("pods \"g-0\" not found".into()));
    let page = kube::core::Status::failure("page", "Failed to parse error data").with_code(404);
    let page = Refusal::of_kube(&kube::Error::Api(page.boxed()));
    assert_eq!(page, Refusal::Answer("404 page".into()));
}

#[test]
fn what_is_not_an_answer_is_not_quoted() {
    let error = serde_json::from_str::<u8>("\"SECRET\"").unwrap_err();
    assert_eq!(
        Refusal::of_kube(&kube::Error::SerdeError(error)).to_string(),
        "not an answer of an API server: an unexpected value at line 1 column 8 of the JSON"
    );
    let error = serde_json::from_str::<u8>("<html>SECRET").unwrap_err();
    assert_eq!(
        Refusal::answer(&error).to_string(),
        "not an answer of an API server: expected value at line 1 column 1"
    );
}
