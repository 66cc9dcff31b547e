//! A request and its answer, with the status, the `Retry-After` delay and the body.
//! [`kube::Api`] keeps only the `Status` object of a refusal.

use std::time::Duration;

use http::{HeaderMap, Request, Response, header};
use http_body_util::{BodyExt as _, Limited};
use kube::client::Body;
use serde::de::DeserializeOwned;

use crate::cluster::Refusal;

/// The maximum size of an answer. An object is at most 1.5 MB in etcd, and a list of one pod is
/// little more.
pub(super) const ANSWER: usize = 4 << 20;

/// Returns the request for an object. The path must be encoded
/// ([`encoded`](crate::cluster::names::encoded)).
pub(crate) fn get(path: &str) -> Request<Vec<u8>> {
    let request = Request::get(path).body(Vec::new());
    request.expect("an encoded path must make a request")
}

/// Sends a request whose answer is one object.
///
/// # Errors
///
/// Returns a [`Refusal`] for every answer that is not that object.
pub(crate) async fn send<T: DeserializeOwned>(
    client: &kube::Client,
    request: Request<Vec<u8>>,
) -> Result<T, Refusal> {
    let response = begin(client, request).await?;
    if !response.status().is_success() {
        return Err(refusal(response).await);
    }
    serde_json::from_slice(&whole(response.into_body(), ANSWER).await?)
        .map_err(|error| Refusal::answer(&error))
}

/// Sends a request and returns the head of its answer, for every status.
///
/// # Errors
///
/// Returns [`Refusal::Unreachable`] if no answer arrives.
pub(crate) async fn begin(
    client: &kube::Client,
    request: Request<Vec<u8>>,
) -> Result<Response<Body>, Refusal> {
    let response = client.send(request.map(Body::from)).await;
    response.map_err(|error| Refusal::unreachable(&error))
}

/// Reads the refusal from an answer whose status is not a success.
pub(crate) async fn refusal(response: Response<Body>) -> Refusal {
    let (head, body) = response.into_parts();
    match whole(body, ANSWER).await {
        Ok(body) => Refusal::of(head.status, retry_after(&head.headers), &body),
        Err(refusal) => refusal,
    }
}

/// Reads an answer of at most this size.
///
/// # Errors
///
/// Returns [`Refusal::Unreachable`] if it is longer or breaks off.
pub(super) async fn whole(body: Body, size: usize) -> Result<bytes::Bytes, Refusal> {
    let body = Limited::new(body, size).collect().await;
    Ok(body
        .map_err(|error| Refusal::unreachable(&*error))?
        .to_bytes())
}

/// Returns the seconds of `Retry-After`. The API server sends no dates there.
fn retry_after(headers: &HeaderMap) -> Option<Duration> {
    let seconds = headers
        .get(header::RETRY_AFTER)?
        .to_str()
        .ok()?
        .parse()
        .ok()?;
    Some(Duration::from_secs(seconds))
}
