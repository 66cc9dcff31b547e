//! The parts that the test binaries and benches of micro-health share. It is never published.
//!
//! The first half needs nothing but loopback. The second half is the rig: programs that
//! `tests/rig/build.sh` builds, and a real API server.
//!
//! | module           | contents                                                         |
//! |------------------|------------------------------------------------------------------|
//! | [`service`]      | a service on loopback, whose connections follow a script         |
//! | [`scripts`]      | healthy services of every protocol, and parts of broken ones     |
//! | [`greeter`]      | a service that can be killed, restarted and unhealthy            |
//! | [`frames`]       | HTTP/2 frames, written and read by hand                          |
//! | [`client`]       | an HTTP/1.1 client that shows every byte                         |
//! | [`kubelet`]      | the kubelet's HTTP probe, once or all the time                   |
//! | [`process`]      | a running `health`: its log, signals, descriptors and memory     |
//! | [`api_server`]   | an API server by script under a `kube::Client`, without a socket |
//! | [`pod_server`]   | an API server with one pod, on a socket, which can misbehave     |
//! | [`slice_server`] | an API server with `EndpointSlices`, over TLS and HTTP/2         |
//! | [`webhook`]      | an admission webhook, over TLS and HTTP/2                        |
//! | [`pki`]          | certificate authorities and certificates                         |
//! | [`address`]      | free loopback addresses                                          |
//! | [`descriptors`]  | this process' limit of descriptors                               |
//! | [`wait`]         | the bound of every wait                                          |
//! | [`rig`]          | the programs of `tests/rig/build.sh`                             |
//! | [`cluster`]      | a real API server, what lives in it, and the Go registries       |
//!
//! It does not depend on micro-health, so that a helper cannot agree with a mistake of the code
//! under test. A test binary that needs both, such as the sidecar inside of its own runtime, has
//! that helper itself.

pub mod address;
pub mod api_server;
pub mod client;
pub mod cluster;
pub mod descriptors;
pub mod frames;
pub mod greeter;
pub mod kubelet;
pub mod pki;
pub mod pod_server;
pub mod process;
pub mod rig;
pub mod scripts;
pub mod service;
pub mod slice_server;
pub mod wait;
pub mod webhook;

mod json;

pub use wait::{LOOK_AGAIN, PATIENCE, within};

/// The name of the service in every test that does not need another one.
pub const NAME: &str = "greeter";

/// Prints a line to stdout past the test harness, which hides the output of tests that pass.
pub fn print_line(line: &str) {
    use std::io::Write as _;
    let _ = writeln!(std::io::stdout(), "{line}");
}
