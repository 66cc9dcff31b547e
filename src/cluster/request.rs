//! One request and its answer, with the status, the delay it asks for and its body:
//! [`kube::Api`] keeps of a refusal only what a `Status` object says.

use std::time::Duration;

use http::{HeaderMap, Request, Response, header};
use http_body_util::{BodyExt as _, Limited};
use kube::client::Body;
use serde::de::DeserializeOwned;

use crate::cluster::Refusal;

/// Largest answer: an object is at most 1.5 MB in etcd, and a list of one pod little more.
pub(super) const ANSWER: usize = 4 << 20;

/// Sends a request whose answer is one object.
///
/// # Errors
///
/// Everything that is not that object.
pub(crate) async fn send<T: DeserializeOwned>(
    client: &kube::Client,
    request: Request<Vec<u8>>,
) -> Result<T, Refusal> {
    let response = begin(client, request).await?;
    if !response.status().is_success() {
        return Err(refusal(response).await);
    }
    serde_json::from_slice(&whole(response.into_body()).await?)
        .map_err(|error| Refusal::answer(&error))
}

/// Sends a request and brings the head of its answer, whatever the status.
///
/// # Errors
///
/// No answer.
pub(crate) async fn begin(
    client: &kube::Client,
    request: Request<Vec<u8>>,
) -> Result<Response<Body>, Refusal> {
    let response = client.send(request.map(Body::from)).await;
    response.map_err(|error| Refusal::unreachable(&error))
}

/// What an answer means that is not a success.
pub(crate) async fn refusal(response: Response<Body>) -> Refusal {
    let (head, body) = response.into_parts();
    match whole(body).await {
        Ok(body) => Refusal::of(head.status, retry_after(&head.headers), &body),
        Err(refusal) => refusal,
    }
}

async fn whole(body: Body) -> Result<bytes::Bytes, Refusal> {
    let body = Limited::new(body, ANSWER).collect().await;
    Ok(body
        .map_err(|error| Refusal::unreachable(&*error))?
        .to_bytes())
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
