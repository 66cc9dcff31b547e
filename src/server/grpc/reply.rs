//! The messages of `grpc.health.v1` that carry a status.

use tonic_health::pb::HealthCheckResponse;
use tonic_health::pb::health_check_response::ServingStatus;

/// Returns `SERVING` or `NOT_SERVING`.
pub(super) fn serving(healthy: bool) -> HealthCheckResponse {
    response(if healthy {
        ServingStatus::Serving
    } else {
        ServingStatus::NotServing
    })
}

/// Returns the message that carries a status.
pub(super) fn response(status: ServingStatus) -> HealthCheckResponse {
    HealthCheckResponse {
        status: status.into(),
    }
}
