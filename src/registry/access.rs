//! Requests that ask the API server for our identity and our permissions.

use http::{HeaderValue, Request, header};
use serde::Deserialize;
use serde_json::{Value, json};

use crate::cluster::{Refusal, request};
use crate::registry::rbac::Subject;

/// The answer to a `SelfSubjectAccessReview`.
#[derive(Deserialize)]
struct Access {
    status: AccessStatus,
}

#[derive(Deserialize)]
struct AccessStatus {
    #[serde(default)]
    allowed: bool,
}

/// The answer to a `SelfSubjectReview`.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Identity {
    status: IdentityStatus,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct IdentityStatus {
    user_info: UserInfo,
}

#[derive(Deserialize)]
struct UserInfo {
    username: String,
}

/// Returns whether the client may use this verb on the pods of a namespace, or on one pod.
///
/// Every authenticated user may send this request.
///
/// # Errors
///
/// The API server's refusal, or [`Refusal::Unreachable`] if it does not answer.
pub(crate) async fn is_allowed(
    client: &kube::Client,
    namespace: &str,
    pod: Option<&str>,
    verb: &str,
) -> Result<bool, Refusal> {
    let review = json!({
        "apiVersion": "authorization.k8s.io/v1",
        "kind": "SelfSubjectAccessReview",
        "spec": {"resourceAttributes": {
            "namespace": namespace,
            "verb": verb,
            "resource": "pods",
            "name": pod.unwrap_or_default(),
        }},
    });
    let path = "/apis/authorization.k8s.io/v1/selfsubjectaccessreviews";
    let access: Access = request::send(client, post(path, &review)).await?;
    Ok(access.status.allowed)
}

/// Returns the user or the service account that the client authenticates as.
///
/// The API server answers this request since Kubernetes 1.28.
///
/// # Errors
///
/// The API server's refusal, or [`Refusal::Unreachable`] if it does not answer.
pub(crate) async fn subject(client: &kube::Client) -> Result<Subject, Refusal> {
    let review = json!({
        "apiVersion": "authentication.k8s.io/v1",
        "kind": "SelfSubjectReview",
    });
    let path = "/apis/authentication.k8s.io/v1/selfsubjectreviews";
    let identity: Identity = request::send(client, post(path, &review)).await?;
    Ok(Subject::named(&identity.status.user_info.username))
}

fn post(path: &str, body: &Value) -> Request<Vec<u8>> {
    let mut request = Request::post(path)
        .body(body.to_string().into_bytes())
        .expect("a path must make a request");
    let json = HeaderValue::from_static("application/json");
    request.headers_mut().insert(header::CONTENT_TYPE, json);
    request
}
