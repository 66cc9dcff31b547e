//! What the API server would allow us, by its own word.

use http::{HeaderValue, Request, header};
use serde::Deserialize;
use serde_json::{Value, json};

use crate::cluster::{Refusal, request};
use crate::registry::rbac::Subject;

/// The answer to a `SelfSubjectAccessReview`.
#[derive(Deserialize)]
struct Access {
    status: Allowed,
}

#[derive(Deserialize)]
struct Allowed {
    #[serde(default)]
    allowed: bool,
}

/// The answer to a `SelfSubjectReview`.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Identity {
    status: Authenticated,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Authenticated {
    user_info: UserInfo,
}

#[derive(Deserialize)]
struct UserInfo {
    username: String,
}

/// Whether we may do this to the pods of a namespace, or to one of them. Every
/// authenticated user may ask.
///
/// # Errors
///
/// The API server's refusal.
pub async fn may(
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

/// Who we are to the API server, which tells since Kubernetes 1.28.
///
/// # Errors
///
/// The API server's refusal.
pub async fn who(client: &kube::Client) -> Result<Subject, Refusal> {
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
