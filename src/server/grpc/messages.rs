//! The messages of one Watch.

use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use futures_util::stream::BoxStream;
use futures_util::{Stream, StreamExt as _, stream};
use tokio::sync::watch;
use tonic::Status;
use tonic_health::pb::HealthCheckResponse;
use tonic_health::pb::health_check_response::ServingStatus;

use crate::server::grpc::reply::{response, serving};
use crate::server::grpc::statuses::ServiceStatus;

/// The status of a service, and each change of it until the drain.
pub(crate) struct Messages(BoxStream<'static, HealthCheckResponse>);

// === impl Messages ===

impl Messages {
    /// Sends the status of a service, and each change of it.
    pub(super) fn of(service: Arc<ServiceStatus>) -> Self {
        let status = service.status();
        let messages = stream::unfold(
            (service, status, None),
            async |(service, mut status, last)| {
                // The value before the drain is sent too, because the sender is gone only after it.
                let next = status.wait_for(|status| status.is_some() && *status != last);
                let healthy = (*next.await.ok()?)?;
                Some((serving(healthy), (service, status, Some(healthy))))
            },
        );
        Self(messages.boxed())
    }

    /// Sends the one message of an unknown service. The stream stays open, as the protocol demands,
    /// and ends with the drain.
    pub(super) fn unknown(mut draining: watch::Receiver<bool>) -> Self {
        let unknown = stream::iter([response(ServingStatus::ServiceUnknown)]);
        let end = async move {
            let _ = draining.wait_for(|draining| *draining).await;
        };
        let nothing = stream::once(end).filter_map(async |()| None);
        Self(unknown.chain(nothing).boxed())
    }
}

impl Stream for Messages {
    type Item = Result<HealthCheckResponse, Status>;

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        self.0.poll_next_unpin(cx).map(|next| next.map(Ok))
    }
}

impl std::fmt::Debug for Messages {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Messages")
    }
}
