//! The tests of hostile clients against the shipped file. Whatever they do, the kubelet gets its
//! answer, the memory stays below the manifests' limit, and the stop is not delayed.
//!
//! | file          | what it has                                                     |
//! |---------------|-----------------------------------------------------------------|
//! | `table`       | one row for each hostile client                                 |
//! | `attack`      | clients on their own thread, which reconnect when hung up on    |
//! | `http1`       | clients of HTTP/1.1                                             |
//! | `http2`       | clients of HTTP/2                                               |
//! | `grpc`        | clients of grpc.health.v1                                       |
//! | `pod`         | the sidecar, the service beside it, and the API server          |
//! | `prober`      | the kubelet's probes meanwhile                                  |
//! | `measure`     | one row's figures                                               |
//! | `report`      | the gates, and the table as text                                |
//! | `keep_alive`  | a client that is gone silently                                  |
//! | `conformance` | h2spec, and the cases that may fail                             |
//!
//! `just hostile` builds the shipped file and runs all of it; `just hostile gRPC` the rows whose name contains
//! that. The table stays in target/tmp/hostile.txt.

#![expect(
    unreachable_pub,
    clippy::unwrap_used,
    reason = "a test binary: nothing outside can reach it, and a panic is a verdict"
)]

mod attack;
mod conformance;
mod grpc;
mod http1;
mod http2;
mod keep_alive;
mod measure;
mod pod;
mod prober;
mod report;
mod table;
