//! One request and its answer, with the status, the delay it asks for and its body:
//! [`kube::Api`] keeps of a refusal only what a `Status` object says.

use std::time::Duration;

use http::{HeaderMap, Request, header};
use http_body_util::{BodyExt as _, Limited};
use kube::client::Body;
use serde::de::DeserializeOwned;

use super::Refusal;

/// Largest answer: an object is at most 1.5 MB in etcd, and a list of one pod little more.
const ANSWER: usize = 4 << 20;

/// Sends a request whose answer is one object.
///
/// # Errors
///
/// Everything that is not that object.
pub async fn send<T: DeserializeOwned>(
    client: &kube::Client,
    request: Request<Vec<u8>>,
) -> Result<T, Refusal> {
    let response = client.send(request.map(Body::from)).await;
    let response = response.map_err(|error| Refusal::unreachable(&error))?;
    let (head, body) = response.into_parts();
    let body = Limited::new(body, ANSWER).collect().await;
    let body = body
        .map_err(|error| Refusal::unreachable(&*error))?
        .to_bytes();
    if head.status.is_success() {
        return serde_json::from_slice(&body).map_err(|error| Refusal::Answer(error.to_string()));
    }
    Err(Refusal::of(head.status, retry_after(&head.headers), &body))
}

/// The seconds of `Retry-After`: the API server sends no dates.
fn retry_after(headers: &HeaderMap) -> Option<Duration> {
    let seconds = headers
        .get(header::RETRY_AFTER)?
        .to_str()
        .ok()?
        .parse()
        .ok()?;
    Some(Duration::from_secs(seconds))
}
