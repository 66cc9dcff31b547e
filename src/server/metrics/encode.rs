//! The metric families and their values, as prometheus-client writes them.

use std::fmt;
use std::time::SystemTime;

use prometheus_client::encoding::{DescriptorEncoder, MetricEncoder};
use prometheus_client::metrics::MetricType;

pub(super) type Family<'a> = Result<MetricEncoder<'a>, fmt::Error>;

pub(super) fn gauge<'a>(
    to: &'a mut DescriptorEncoder<'_>,
    name: &'static str,
    help: &str,
) -> Family<'a> {
    to.encode_descriptor(name, help, None, MetricType::Gauge)
}

/// Begins a family of counters. The library's own counters are those of `OpenMetrics`, whose family
/// has no `_total`. The classic format wants it in every line, so values are written as they are.
pub(super) fn counter<'a>(
    to: &'a mut DescriptorEncoder<'_>,
    name: &'static str,
    help: &str,
) -> Family<'a> {
    to.encode_descriptor(name, help, None, MetricType::Counter)
}

pub(super) fn add<const N: usize>(
    to: &mut MetricEncoder<'_>,
    labels: &[(&str, &str); N],
    count: u64,
) -> fmt::Result {
    to.encode_family(labels)?.encode_gauge(&count)
}

pub(super) fn unix_seconds(at: SystemTime) -> f64 {
    at.duration_since(SystemTime::UNIX_EPOCH)
        .unwrap_or_default()
        .as_secs_f64()
}
