//! The requests for a collection of objects: its pages, and the watch of it.

use http::{HeaderValue, Request, header};

use crate::cluster::names::{encoded, query};
use crate::cluster::{Refusal, request};

/// The objects of one kind in a namespace, limited by a selector.
#[derive(Clone, Debug)]
pub(crate) struct Collection {
    path: String,
    /// The selector as a part of the query.
    selector: Option<String>,
    is_single: bool,
    is_metadata: bool,
    /// The API group with its version. The core group has none.
    group: Option<String>,
}

/// A part of a list.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(super) enum Page {
    /// The first page.
    First,
    /// The page after the one that had this token.
    Next(String),
    /// The whole list in one answer, which cannot expire between pages.
    Whole,
}

/// The largest number of objects in one page.
const PAGE: u32 = 500;

/// The maximum size of a page. A pod with many managed fields is 20 KB, and a page has 500 of them.
const SIZE: usize = 64 << 20;

/// The Kubernetes versions since which an API group exists, if it is younger than all others.
const SINCE: [(&str, &str); 1] = [("discovery.k8s.io/v1", "1.21")];

// === impl Collection ===

impl Collection {
    /// Returns all objects of a kind in this namespace.
    pub(crate) fn of<T: kube::Resource<DynamicType = ()>>(namespace: &str) -> Self {
        let has_group = !T::group(&()).is_empty();
        Self {
            path: T::url_path(&(), Some(&encoded(namespace))),
            selector: None,
            is_single: false,
            is_metadata: false,
            group: has_group.then(|| T::api_version(&()).into_owned()),
        }
    }

    /// Limits the collection to objects with these labels.
    pub(crate) fn labels(mut self, selector: &str) -> Self {
        self.selector = Some(format!("labelSelector={}", query(selector)));
        self
    }

    /// Limits the collection to the object of this name.
    pub(crate) fn named(mut self, name: &str) -> Self {
        let selector = format!("metadata.name={name}");
        self.selector = Some(format!("fieldSelector={}", query(&selector)));
        self.is_single = true;
        self
    }

    /// Requests only the metadata of the objects.
    pub(crate) fn metadata(mut self) -> Self {
        self.is_metadata = true;
        self
    }

    /// Returns the request for a part of the list.
    pub(super) fn list(&self, page: &Page) -> Request<Vec<u8>> {
        let limit = match page {
            Page::First if !self.is_single => Some(format!("limit={PAGE}")),
            Page::First | Page::Whole => None,
            Page::Next(token) => Some(format!("limit={PAGE}&continue={}", query(token))),
        };
        let parts = self.selector.clone().into_iter().chain(limit);
        self.request(&parts.collect::<Vec<_>>(), "PartialObjectMetadataList")
    }

    /// Returns the maximum size of a page, in bytes.
    pub(super) fn page_size(&self) -> usize {
        if self.is_single {
            request::ANSWER
        } else {
            SIZE
        }
    }

    /// Returns the request for a watch from a version, which ends after this number of seconds.
    pub(super) fn watch(&self, version: &str, seconds: u32) -> Request<Vec<u8>> {
        let version = query(version);
        let watch = format!(
            "watch=true&allowWatchBookmarks=true&resourceVersion={version}&timeoutSeconds={seconds}"
        );
        let parts = self.selector.clone().into_iter().chain([watch]);
        self.request(&parts.collect::<Vec<_>>(), "PartialObjectMetadata")
    }

    /// Adds the needed Kubernetes version to a 404. The list of a missing namespace is empty, so a
    /// 404 means that the server does not have the API group.
    pub(super) fn explain(&self, refusal: Refusal) -> Refusal {
        let group = self.group.as_deref();
        let since = SINCE.iter().find(|(name, _)| Some(*name) == group);
        match (since, refusal) {
            (Some((group, version)), Refusal::NotFound(text)) => Refusal::NotFound(format!(
                "{text} ({group} needs Kubernetes {version} or later)"
            )),
            (Some((group, version)), Refusal::Answer(text)) if text.starts_with("404 ") => {
                let text = text.trim_start_matches("404 ");
                Refusal::NotFound(format!(
                    "{text} ({group} needs Kubernetes {version} or later)"
                ))
            }
            (_, refusal) => refusal,
        }
    }

    fn request(&self, query: &[String], form: &str) -> Request<Vec<u8>> {
        let uri = format!("{}?{}", self.path, query.join("&"));
        let request = Request::get(uri).body(Vec::new());
        let mut request = request.expect("an encoded query must make a request");
        if self.is_metadata {
            let form = format!("application/json;as={form};g=meta.k8s.io;v=v1");
            let form = HeaderValue::try_from(form).expect("a media type must be a header");
            request.headers_mut().insert(header::ACCEPT, form);
        }
        request
    }
}

#[cfg(test)]
mod tests {
    use k8s_openapi::api::core::v1::{ConfigMap, Pod};
    use k8s_openapi::api::discovery::v1::EndpointSlice;

    use super::*;

    #[test]
    fn a_request_has_the_selector_and_the_part() {
        let pods = Collection::of::<Pod>("demo");
        let slices = Collection::of::<EndpointSlice>("shop").labels("a/b=c");
        let config = Collection::of::<ConfigMap>("x y").named("micro");
        let next = Page::Next("a+b".to_owned());
        for (request, expected) in [
            (
                pods.list(&Page::First),
                "/api/v1/namespaces/demo/pods?limit=500",
            ),
            (
                pods.list(&next),
                "/api/v1/namespaces/demo/pods?limit=500&continue=a%2Bb",
            ),
            (pods.list(&Page::Whole), "/api/v1/namespaces/demo/pods?"),
            (
                slices.list(&Page::First),
                "/apis/discovery.k8s.io/v1/namespaces/shop/endpointslices?labelSelector=a%2Fb%3Dc&limit=500",
            ),
            (
                slices.watch("7", 300),
                "/apis/discovery.k8s.io/v1/namespaces/shop/endpointslices?labelSelector=a%2Fb%3Dc&watch=true&allowWatchBookmarks=true&resourceVersion=7&timeoutSeconds=300",
            ),
            (
                config.list(&Page::First),
                "/api/v1/namespaces/x%20y/configmaps?fieldSelector=metadata.name%3Dmicro",
            ),
        ] {
            assert_eq!(request.uri().to_string(), expected);
            assert!(!request.headers().contains_key(header::ACCEPT));
        }
        let request = pods.metadata().watch("7", 300);
        assert_eq!(
            request.headers()[header::ACCEPT],
            "application/json;as=PartialObjectMetadata;g=meta.k8s.io;v=v1"
        );
    }

    #[test]
    fn a_missing_group_is_explained() {
        let slices = Collection::of::<EndpointSlice>("shop");
        let pods = Collection::of::<Pod>("shop");
        let missing = || Refusal::Answer("404 404 page not found".to_owned());
        assert_eq!(
            slices.explain(missing()).to_string(),
            "not found: page not found (discovery.k8s.io/v1 needs Kubernetes 1.21 or later)"
        );
        let not_found = Refusal::NotFound("no such resource".to_owned());
        assert_eq!(
            slices.explain(not_found).to_string(),
            "not found: no such resource (discovery.k8s.io/v1 needs Kubernetes 1.21 or later)"
        );
        assert_eq!(pods.explain(missing()), missing());
        assert_eq!(slices.explain(Refusal::Conflict), Refusal::Conflict);
    }
}
