//! The sidecar from outside, as it appears to the kubelet, curl, load balancers, hostile clients
//! and operators.
//!
//! The tests use real sockets on loopback, without Go, root or network. None sleeps to wait for
//! an event.
//!
//! | file                 | what it tests                                                   |
//! |----------------------|-----------------------------------------------------------------|
//! | `contract`           | the status and the body of every path                           |
//! | `protocol`           | the protocol of the check, and its detection                    |
//! | `wire`               | the recorded answers of real go-micro releases, in tests/wire   |
//! | `service_load`       | the calls and connections that the checks cost the service      |
//! | `hostile_target`     | hostile services: every probe has an answer within a second     |
//! | `flood`              | services that never stop sending                                |
//! | `token`              | a service account's token that rotates                          |
//! | `tls`, `unix`        | services behind certificates and sockets                        |
//! | `limits`             | the limits of one client                                        |
//! | `hostile_client`     | hostile clients: the kubelet still gets its answer              |
//! | `endpoints`          | a Service, whose endpoints are all checked                      |
//! | `unresolved`         | a Service without endpoints that can be dialled, and why        |
//! | `scale`              | the cost of one of a thousand watched Services                  |
//! | `targets`            | several services, and the age of a verdict                      |
//! | `grpc_door`          | grpc.health.v1 on the same port                                 |
//! | `pages`              | metrics and the page for a person                               |
//! | `lifecycle`          | start, log, signals, exit codes: the real binary                |
//! | `inputs`             | flags and variables that cannot be used: the real binary        |
//! | `probe`              | one check under three names: the real binary                    |
//! | `operated`           | the real binary with its flags, and the text behind a reason    |
//! | `docs`               | the pages list what the code has                                |
//! | `config_and_catalog` | the ConfigMap and the catalog, with a faulty API server         |
//! | `registry_reader`    | the registry's reader, with a faulty API server                 |
//! | `registry_writer`    | the registration of services of other pods                      |
//! | `registry_command`   | `health registry`: its output and exit codes                    |
//! | `cluster`            | a helper: a cluster whose API server has slices alone           |
//! | `sidecar`            | a helper: the sidecar inside of the test's own runtime          |
//! | `registry_trouble`   | a faulty API server: probes are still answered                  |
//! | `api_server_trouble` | a faulty API server: every reader of it goes on                 |

#![expect(
    unreachable_pub,
    clippy::unwrap_used,
    reason = "a test binary: nothing outside can reach it, and a panic is a verdict"
)]

#[cfg(feature = "kubernetes")]
mod api_server_trouble;
#[cfg(feature = "commands")]
mod architecture;
#[cfg(feature = "kubernetes")]
mod channel;
#[cfg(feature = "kubernetes")]
mod cluster;
#[cfg(feature = "kubernetes")]
mod config_and_catalog;
mod contract;
mod crowd;
#[cfg(feature = "commands")]
mod docs;
#[cfg(feature = "kubernetes")]
mod endpoints;
mod flood;
mod grpc_door;
mod hostile_client;
mod hostile_target;
#[cfg(feature = "commands")]
mod inputs;
#[cfg(feature = "commands")]
mod language;
mod lifecycle;
mod limits;
mod operated;
mod pages;
mod probe;
mod protocol;
#[cfg(feature = "kubernetes")]
mod registry_command;
#[cfg(feature = "kubernetes")]
mod registry_reader;
#[cfg(feature = "kubernetes")]
mod registry_trouble;
#[cfg(feature = "kubernetes")]
mod registry_writer;
#[cfg(feature = "kubernetes")]
mod scale;
mod service_load;
mod sidecar;
mod targets;
#[cfg(feature = "tls")]
mod tls;
#[cfg(feature = "kubernetes")]
mod token;
mod unix;
#[cfg(feature = "commands")]
mod unresolved;
mod wire;

/// The program under test.
const PROGRAM: &str = env!("CARGO_BIN_EXE_health");
