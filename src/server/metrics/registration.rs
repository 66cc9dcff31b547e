//! The registration's metrics.

use std::fmt;
use std::time::SystemTime;

use prometheus_client::encoding::DescriptorEncoder;

use crate::registration::status::Status;
use crate::server::metrics::encode::{add, counter, gauge, unix_seconds};

/// Writes the registration's metrics.
pub(super) fn encode(status: &Status, to: &mut DescriptorEncoder<'_>) -> fmt::Result {
    let flags = [
        (
            "health_sidecar_registry_registered",
            "Whether every service of the pod is in the registry",
            status.is_registered,
        ),
        (
            "health_sidecar_registry_connected",
            "Whether the pod can be observed through the API server",
            status.is_connected,
        ),
        (
            "health_sidecar_registry_stale",
            "Whether the pod could not be observed for longer than --register_ttl",
            status.is_stale(SystemTime::now()),
        ),
    ];
    for (name, help, value) in flags {
        gauge(to, name, help)?.encode_gauge(&i64::from(value))?;
    }
    let help = "Writes of labels and annotations, by outcome and purpose";
    let mut patches = counter(to, "health_sidecar_registry_patches_total", help)?;
    for ((reason, result), count) in &status.writes {
        add(
            &mut patches,
            &[("result", result), ("reason", reason)],
            *count,
        )?;
    }
    let help =
        "Times that another writer replaced the registration, or registered again after a removal";
    counter(to, "health_sidecar_registry_foreign_rewrites_total", help)?
        .encode_gauge(&i64::from(status.foreign_rewrites))?;
    let stamps = [
        (
            "health_sidecar_registry_last_success_timestamp_seconds",
            "When a write last succeeded",
            status.written,
        ),
        (
            "health_sidecar_registry_last_verified_timestamp_seconds",
            "When the pod was last observed",
            status.verified,
        ),
    ];
    for (name, help, at) in stamps {
        if let Some(at) = at {
            gauge(to, name, help)?.encode_gauge(&unix_seconds(at))?;
        }
    }
    Ok(())
}
