//! Writes to the registry: services of other pods, or of our own pod without a sidecar.

use crate::cluster::Refusal;
use crate::registry::error::Error;
use crate::registry::plan::plan;
use crate::registry::plan::write::{Entry, OnForeign, Ownership, Standing};
use crate::registry::pod::Pod;
use crate::registry::pod_client::PodClient;
use crate::registry::reader::Registry;
use crate::registry::record::Service;

/// The most writes for one call: a registration takes two, and another writer may interfere.
const WRITES: usize = 4;

impl Registry {
    /// Reads a pod of the namespace.
    ///
    /// # Errors
    ///
    /// [`Error::NoPod`] if the pod does not exist, or the API server's refusal.
    pub(crate) async fn pod(&self, name: &str) -> Result<Pod, Error> {
        let pod = self.pod_named(name).read().await;
        let pod = pod.map_err(|refusal| Error::of(refusal, self.namespace()))?;
        pod.map(|pod| *pod).ok_or_else(|| Error::NoPod {
            pod: name.to_owned(),
            namespace: self.namespace().to_owned(),
        })
    }

    /// Registers a service with its one node in a pod, beside the services that are registered
    /// there. A node with the same id or address is replaced.
    ///
    /// Returns whether anything had to be written. Needs the verb `patch` on pods, and `get` or
    /// `list`.
    ///
    /// # Errors
    ///
    /// [`Error::Nodes`] if the service does not have exactly one node. [`Error::Name`] or
    /// [`Error::Obstacle`] for a key or a label that cannot be used. [`Error::NoPod`] or
    /// [`Error::Terminating`] for the pod. Otherwise the API server's refusal.
    pub async fn register(&self, pod: &str, service: &Service) -> Result<bool, Error> {
        let nodes = service.nodes().len();
        if nodes != 1 {
            return Err(Error::Nodes(nodes));
        }
        self.write(pod, service, true).await
    }

    /// Removes the nodes of a service from a pod, or the whole service if it names no nodes. It
    /// does not matter which writer registered them. The last service takes the labels that were
    /// added for it along.
    ///
    /// Returns whether anything was removed. Needs the verb `patch` on pods, and `get` or `list`.
    ///
    /// # Errors
    ///
    /// [`Error::Obstacle`] if the key holds another service, [`Error::NoPod`] if the pod does not
    /// exist, or the API server's refusal.
    pub async fn deregister(&self, pod: &str, service: &Service) -> Result<bool, Error> {
        self.write(pod, service, false).await
    }

    async fn write(&self, name: &str, service: &Service, wanted: bool) -> Result<bool, Error> {
        let entry = Entry {
            record: service.clone().into(),
            schemes: self.all_keys(&service.name)?.into(),
            wanted: Some(wanted),
            ownership: Ownership::Command,
        };
        let mut pod = self.pod(name).await?;
        for writes in 0..WRITES {
            if wanted && pod.is_terminating() {
                return Err(Error::Terminating);
            }
            let next = plan(&pod, &entry, OnForeign::Merge);
            if let Standing::Refused(obstacle) = next.standing {
                return Err(obstacle.into());
            }
            let Some(write) = next.write else {
                return Ok(writes > 0);
            };
            let uid = pod.metadata.uid.clone().unwrap_or_default();
            let patched = self.pod_named(name).patch(write.patch.body(&uid)).await;
            pod = *patched.map_err(|refusal| Error::of(refusal, self.namespace()))?;
        }
        // Another writer changes the pod after each write.
        Err(Error::Refused(Refusal::Conflict))
    }

    fn pod_named(&self, name: &str) -> PodClient {
        PodClient::new(self.client().clone(), self.namespace(), name)
    }
}
