//! A target that is a Service: its endpoints are asked in its place.

use tokio::time::Instant;

use super::endpoint::Endpoint;
use super::{Target, Verdict};
use crate::resolver::Resolver;
use crate::resolver::group::Group;
use crate::unhealthy::Unhealthy;

// === impl Target ===

impl Target {
    /// Finds the endpoints of a Service by this resolver from now on; without one there
    /// are none. Other targets need none. Wants a runtime.
    pub fn resolve(&self, resolver: &Resolver) {
        if let Endpoint::Service(service) = self.address() {
            let options = self.options.clone();
            let group = || Group::new(options, service.clone(), resolver);
            self.group.get_or_init(group);
        }
    }

    pub(super) async fn ask_endpoints(&self, deadline: Instant) -> Verdict {
        match self.group.get() {
            // Each endpoint is a target, whose check would be part of this one's type.
            Some(group) => Box::pin(group.check(deadline)).await,
            None => Err(Unhealthy::NoEndpoints("no API server was given".into())),
        }
    }
}
