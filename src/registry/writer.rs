//! Registering services of other pods, or of our own without a sidecar.

use crate::cluster::Refusal;
use crate::registry::error::Error;
use crate::registry::on_behalf;
use crate::registry::plan::write::{Plan, Standing};
use crate::registry::pod::Pod;
use crate::registry::pod_client::PodClient;
use crate::registry::reader::Registry;
use crate::registry::record::Service;

/// Most writes for one call: two register, and somebody else may have written between.
const WRITES: usize = 4;

impl Registry {
    /// A pod of the namespace.
    ///
    /// # Errors
    ///
    /// [`Error::NoPod`]; the API server's refusal.
    pub async fn pod(&self, name: &str) -> Result<Pod, Error> {
        let pod = self.pod_named(name).read().await;
        let pod = pod.map_err(|refusal| Error::of(refusal, self.namespace()))?;
        pod.map(|pod| *pod).ok_or_else(|| Error::NoPod {
            pod: name.to_owned(),
            namespace: self.namespace().to_owned(),
        })
    }

    /// Registers a service with its one node in a pod, beside whatever is registered
    /// there; a node of the same id or address is replaced. Tells whether anything had
    /// to be written. Needs `patch` on pods, and `get` or `list`.
    ///
    /// # Errors
    ///
    /// [`Error::Nodes`] for any other number of nodes; a key, a label or a pod that cannot
    /// be had; the API server's refusal.
    pub async fn register(&self, pod: &str, service: &Service) -> Result<bool, Error> {
        let nodes = service.nodes.as_ref().map_or(0, Vec::len);
        if nodes != 1 {
            return Err(Error::Nodes(nodes));
        }
        let keys = self.all_keys(&service.name)?;
        self.write(pod, |pod| {
            if pod.is_terminating() {
                return Err(Error::Terminating);
            }
            let plan = on_behalf::registering(pod, service, &keys);
            match plan.standings.last() {
                Some(Standing::Refused(taken)) => Err(taken.clone().into()),
                _ => Ok(plan),
            }
        })
        .await
    }

    /// Takes the nodes of a service away from a pod, or the whole service if it names
    /// none, whoever registered it, and with the last service what was added for it.
    /// Tells whether anything was there. Needs `patch` on pods, and `get` or `list`.
    ///
    /// # Errors
    ///
    /// A key that another service has; a pod that is not there; the API server's refusal.
    pub async fn deregister(&self, pod: &str, service: &Service) -> Result<bool, Error> {
        let keys = self.all_keys(&service.name)?;
        self.write(pod, |pod| {
            Ok(on_behalf::deregistering(pod, service, &keys)?)
        })
        .await
    }

    async fn write(
        &self,
        name: &str,
        plan: impl Fn(&Pod) -> Result<Plan, Error>,
    ) -> Result<bool, Error> {
        let mut pod = self.pod(name).await?;
        for writes in 0..WRITES {
            let Some(write) = plan(&pod)?.write else {
                return Ok(writes > 0);
            };
            let uid = pod.metadata.uid.clone().unwrap_or_default();
            let patched = self.pod_named(name).patch(write.patch.body(&uid)).await;
            pod = *patched.map_err(|refusal| Error::of(refusal, self.namespace()))?;
        }
        // What was written does not stay as it was.
        Err(Error::Refused(Refusal::Conflict))
    }

    fn pod_named(&self, name: &str) -> PodClient {
        PodClient::new(self.client().clone(), self.namespace(), name)
    }
}
