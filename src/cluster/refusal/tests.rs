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
fn a_422_means_five_things() {
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
        Refusal::Policy(Denial::Policy(
            "ValidatingAdmissionPolicy 'own-pod' denied request".into()
        ))
    );
    let whole = json!({"message": "\"\" is invalid: patch: {\"spec\": SECRET", "details": {"causes": [{"field": "patch", "message": "{\"spec\": SECRET"}]}});
    assert!(!of(422, &whole).to_string().contains("SECRET"));
    // The difference of a whole spec, and two of its fields.
    let changed = "may not change fields\ncore.PodSpec{SECRET}";
    for fields in [
        &["spec"][..],
        &["spec.containers[0].resources", "spec"],
        &["spec[x]"],
    ] {
        let fields: Vec<_> = fields.iter().map(|field| (*field, changed)).collect();
        let refusal = of(422, &causes(&fields));
        assert_eq!(refusal, Refusal::Policy(Denial::ChangedSpec), "{fields:?}");
        assert!(refusal.is_denied());
        assert!(refusal.remedy().contains("webhook"), "{}", refusal.remedy());
    }
    assert_eq!(
        Refusal::Policy(Denial::ChangedSpec).to_string(),
        "the pod's spec was changed while its labels were written: a mutating webhook for UPDATE of pods"
    );
    // Our own fault is named first, and the difference is never shown.
    let both = of(422, &causes(&[("spec", changed), long]));
    assert_eq!(
        both.to_string(),
        "invalid: spec: FieldValueInvalid; metadata.labels: name part must be no more than 63 bytes"
    );
    let other = of(422, &causes(&[("specialName", changed)]));
    assert_eq!(other.to_string(), "invalid: specialName: FieldValueInvalid");
}

#[test]
fn an_answer_about_no_object_is_retried() {
    for status in [
        100, 301, 302, 307, 400, 402, 405, 406, 408, 410, 415, 429, 500, 503,
    ] {
        let refusal = of(status, &json!({"kind": "Status", "message": "SENTENCE"}));
        let status = StatusCode::from_u16(status).unwrap();
        let expected = Refusal::Unavailable {
            status,
            retry_after: None,
            message: "SENTENCE".into(),
        };
        assert_eq!(refusal, expected);
        assert_eq!(
            refusal.to_string(),
            format!("the API server answers {status}: SENTENCE")
        );
        assert!(!refusal.is_denied());
        assert!(!refusal.remedy().contains("shorten"), "{status}");
    }
    // A restored etcd is behind the version that a watch asks for.
    let behind = "Timeout: Too large resource version: 5, current: 3";
    let behind = of(
        504,
        &json!({"message": behind, "reason": "Timeout", "details": {"retryAfterSeconds": 1,
            "causes": [{"reason": "ResourceVersionTooLarge", "message": "Too large resource version"}]}}),
    );
    assert!(
        matches!(behind, Refusal::Unavailable { retry_after: Some(after), .. } if after.as_secs() == 1),
        "{behind}"
    );
}

#[test]
fn a_denial_by_admission_is_no_missing_permission() {
    let webhook = "admission webhook \"guard.example.com\" denied the request: no: labels";
    for status in [400, 401, 403, 404, 409, 413, 418, 422, 429] {
        let refusal = of(status, &json!({"kind": "Status", "message": webhook}));
        assert_eq!(
            refusal.to_string(),
            format!("denied by an admission webhook: {webhook}"),
            "{status}"
        );
        assert!(refusal.is_denied());
        assert_eq!(refusal.code(), "webhook");
        assert!(refusal.remedy().contains("admission webhook"));
    }
    let policy = "pods \"g-0\" is forbidden: ValidatingAdmissionPolicy 'own-pod' with binding 'own' denied request: only cannot: own";
    for status in [400, 401, 403, 413, 422] {
        let refusal = of(status, &json!({"kind": "Status", "message": policy}));
        assert_eq!(
            refusal.to_string(),
            format!("denied by an admission policy: {policy}"),
            "{status}"
        );
        assert!(refusal.is_denied());
        assert_eq!(refusal.code(), "policy");
    }
    let plugin = "pods \"g-0\" is forbidden: violates PodSecurity \"restricted:latest\": runAsNonRoot != true";
    let refusal = of(403, &json!({"message": plugin}));
    assert_eq!(refusal, Refusal::Policy(Denial::Policy(plugin.into())));
}

#[test]
fn a_user_or_a_failed_webhook_is_no_denial() {
    for sentence in [
        "pods \"g-0\" is forbidden: User \"x' denied request\" cannot patch resource \"pods\"",
        "pods is forbidden: User \"jane\" cannot list resource \"pods\": RBAC: role \"ValidatingAdmissionPolicy 'x\" not found",
        "forbidden",
        "",
    ] {
        let refusal = of(403, &json!({"message": sentence}));
        assert_eq!(refusal, Refusal::Forbidden(sentence.into()));
    }
    for (status, message) in [
        (
            500,
            "Internal error occurred: failed calling webhook \"guard.example.com\": failed to call webhook: context deadline exceeded",
        ),
        (
            500,
            "admission webhook \"guard.example.com\" denied the request: database is away",
        ),
        (
            503,
            "admission webhook \"guard.example.com\" denied the request without explanation",
        ),
    ] {
        let refusal = of(status, &json!({"kind": "Status", "message": message}));
        assert_eq!(refusal.code(), "unavailable", "{message}");
    }
}

#[test]
fn a_request_may_be_too_large_for_the_server_or_for_etcd() {
    for (status, message) in [
        (413, "Request entity too large: limit is 3145728"),
        (413, "etcdserver: request is too large"),
        (500, "etcdserver: request is too large"),
        (
            500,
            "rpc error: code = ResourceExhausted desc = trying to send message larger than max (2100000 vs. 2097152)",
        ),
    ] {
        let refusal = of(status, &json!({"kind": "Status", "message": message}));
        assert_eq!(refusal, Refusal::TooLarge(message.into()));
    }
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
