//! The sidecar from outside: as kubelet, curl, load balancer, hostile client, operator.
//!
//! Real sockets on loopback; no Go, no root, no network, and nothing sleeps to wait.
//!
//! | file                 | what it proves                                                  |
//! |----------------------|-----------------------------------------------------------------|
//! | `contract`           | what those who probe can rely on                                |
//! | `protocol`           | how the service is asked, and found out                         |
//! | `wire`               | what real go-micro releases said, in tests/wire                 |
//! | `service_load`       | how many calls and connections the checks cost the service      |
//! | `hostile_target`     | whatever the service does, there is an answer within the second |
//! | `flood`              | also when it never stops talking                                |
//! | `token`              | a service account's token that rotates                          |
//! | `tls`, `unix`        | services behind certificates and sockets                        |
//! | `limits`             | what one client can hold of the port                            |
//! | `hostile_client`     | whatever clients do, the kubelet gets its answer                |
//! | `endpoints`          | a Service, whose endpoints are all asked                        |
//! | `scale`              | what one of a thousand Services costs that are watched          |
//! | `targets`            | several services, and how old a verdict may be                  |
//! | `grpc_door`          | grpc.health.v1 on the same port                                 |
//! | `pages`              | metrics and the page for a person                               |
//! | `lifecycle`          | start, log, signals, exit codes: the real binary                |
//! | `probe`              | one check under three names: the real binary                    |
//! | `operated`           | the real binary with its flags, and the text behind a reason    |
//! | `docs`               | what the pages list is what the code has                        |
//! | `config_and_catalog` | the ConfigMap and the catalog, whatever the API server does     |
//! | `registry_reader`    | what is read of the registry, whatever the API server does      |
//! | `registry_writer`    | registering services of other pods                              |
//! | `registry_command`   | `health registry`: what it prints and how it exits              |
//! | `cluster`            | a helper: a cluster whose API server has slices alone           |
//! | `sidecar`            | a helper: the sidecar inside of the test's own runtime          |
//! | `registry_trouble`   | whatever the API server does, probes flow                       |

#![expect(
    unreachable_pub,
    clippy::unwrap_used,
    reason = "a test binary: nothing outside can reach it, and a panic is a verdict"
)]

#[cfg(feature = "kubernetes")]
mod architecture;
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
mod wire;

/// The program under test.
const PROGRAM: &str = env!("CARGO_BIN_EXE_health");
