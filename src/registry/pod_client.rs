//! Requests for one pod: read, list, patch.

use http::{Request, header};
use kube::Resource as _;

use crate::cluster::watch::{self, Collection};
use crate::cluster::{Refusal, names, request};
use crate::registry::pod::Pod;

/// A client for one pod of the API server.
#[derive(Clone)]
pub struct PodClient {
    client: kube::Client,
    namespace: String,
    name: String,
}

// === impl PodClient ===

impl PodClient {
    /// Makes a client. Sends no request.
    pub fn new(client: kube::Client, namespace: &str, name: &str) -> Self {
        let (namespace, name) = (namespace.to_owned(), name.to_owned());
        Self {
            client,
            namespace,
            name,
        }
    }

    /// Returns the name of the pod.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Returns the namespace of the pod.
    pub fn namespace(&self) -> &str {
        &self.namespace
    }

    /// Reads the pod by GET. If GET is forbidden, reads it by a list of one name. Returns `None` if
    /// the pod does not exist.
    ///
    /// # Errors
    ///
    /// The API server's refusal, or [`Refusal::Unreachable`] if it does not answer.
    pub async fn read(&self) -> Result<Option<Box<Pod>>, Refusal> {
        match self.get().await {
            Err(Refusal::NotFound(_)) => Ok(None),
            Err(forbidden @ Refusal::Forbidden(_)) => match self.list().await {
                Err(Refusal::Forbidden(_)) => Err(forbidden),
                listed => listed,
            },
            got => got.map(Some),
        }
    }

    async fn get(&self) -> Result<Box<Pod>, Refusal> {
        checked(request::send(&self.client, request::get(&self.path())).await?)
    }

    /// Reads the pod by a list of one name.
    ///
    /// # Errors
    ///
    /// The API server's refusal, or [`Refusal::Unreachable`] if it does not answer.
    async fn list(&self) -> Result<Option<Box<Pod>>, Refusal> {
        let pods = watch::list(&self.client, &self.collection()).await?;
        let pod = pods.into_iter().next().map(Box::new);
        pod.map(checked).transpose()
    }

    /// Returns the client, and the collection that contains only this pod.
    pub(crate) fn watched(&self) -> (kube::Client, Collection) {
        (self.client.clone(), self.collection())
    }

    /// Sends a JSON merge patch, and returns the pod as it is after it.
    ///
    /// # Errors
    ///
    /// The API server's refusal, or [`Refusal::Unreachable`] if it does not answer.
    pub async fn patch(&self, body: Vec<u8>) -> Result<Box<Pod>, Refusal> {
        let path = format!("{}?fieldManager=micro-health", self.path());
        let mut request = Request::patch(path)
            .body(body)
            .expect("an encoded path must make a request");
        let merge = http::HeaderValue::from_static("application/merge-patch+json");
        request.headers_mut().insert(header::CONTENT_TYPE, merge);
        checked(request::send(&self.client, request).await?)
    }

    fn collection(&self) -> Collection {
        Collection::of::<Pod>(&self.namespace).named(&self.name)
    }

    fn path(&self) -> String {
        let pods = Pod::url_path(&(), Some(&names::encoded(&self.namespace)));
        format!("{pods}/{}", names::encoded(&self.name))
    }
}

impl std::fmt::Debug for PodClient {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "PodClient({}/{})", self.namespace, self.name)
    }
}

/// Refuses an answer of status 200 that is not a pod, such as the page of a proxy.
///
/// # Errors
///
/// [`Refusal::Answer`] if the pod has no uid.
pub(crate) fn checked(pod: Box<Pod>) -> Result<Box<Pod>, Refusal> {
    if pod.metadata.uid.is_some() {
        Ok(pod)
    } else {
        Err(Refusal::Answer("a pod without a uid".to_owned()))
    }
}
