//! Reads one page of a list.

use std::vec::IntoIter;

use http::{Request, StatusCode};
use serde::Deserialize;
use serde::de::DeserializeOwned;

use crate::cluster::{Refusal, request};

/// A page of a list.
#[derive(Debug)]
pub(super) struct List<T> {
    /// The objects that are not yet delivered.
    pub items: IntoIter<T>,
    pub rest: Rest,
}

/// The part of a list that follows a page.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(super) enum Rest {
    /// The list goes on at this token.
    Token(String),
    /// The list is complete at this version.
    Version(String),
}

/// The reason why a page was not read.
#[derive(Debug)]
pub(super) enum NoList {
    /// The token of the page is too old (410).
    Expired(Refusal),
    /// The request was refused or not answered.
    Refused(Refusal),
}

#[derive(Deserialize)]
struct Answer<T> {
    metadata: Metadata,
    items: Option<Vec<T>>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Metadata {
    resource_version: String,
    #[serde(default, rename = "continue")]
    token: Option<String>,
}

/// Reads one page of at most this size.
///
/// # Errors
///
/// Returns [`NoList`] for every answer that is not a list of such objects.
pub(super) async fn read<T: kube::Resource + DeserializeOwned>(
    client: &kube::Client,
    request: Request<Vec<u8>>,
    size: usize,
) -> Result<List<T>, NoList> {
    let response = request::begin(client, request).await;
    let response = response.map_err(NoList::Refused)?;
    let status = response.status();
    if !status.is_success() {
        let refusal = request::refusal(response).await;
        return Err(match status {
            StatusCode::GONE => NoList::Expired(refusal),
            _ => NoList::Refused(refusal),
        });
    }
    let body = request::whole(response.into_body(), size).await;
    let answer = serde_json::from_slice(&body.map_err(NoList::Refused)?);
    let answer = answer.map_err(|error| NoList::Refused(Refusal::answer(&error)))?;
    parse(answer).map_err(NoList::Refused)
}

impl From<NoList> for Refusal {
    fn from(no_list: NoList) -> Self {
        match no_list {
            NoList::Expired(refusal) | NoList::Refused(refusal) => refusal,
        }
    }
}

fn parse<T: kube::Resource>(answer: Answer<T>) -> Result<List<T>, Refusal> {
    let Answer { metadata, items } = answer;
    let items = items.unwrap_or_default();
    if items.iter().any(|item| item.meta().name.is_none()) {
        return Err(Refusal::Answer("an object without a name".to_owned()));
    }
    if metadata.resource_version.is_empty() {
        return Err(Refusal::Answer("a list without a version".to_owned()));
    }
    let token = metadata.token.filter(|token| !token.is_empty());
    Ok(List {
        items: items.into_iter(),
        rest: token.map_or(Rest::Version(metadata.resource_version), Rest::Token),
    })
}
