//! Runs a real API server and the Go registries of every generation, and shows it the manifests of k8s/.
//!
//! `testkit::cluster` has the API server, the objects in it and the Go registries; [`rig`] has `health` in
//! a pod. The tests share one API server, each in a namespace of its own, except those that stop it.
//! `just registry` builds the programs and runs this.
#![expect(
    unreachable_pub,
    clippy::unwrap_used,
    reason = "a test binary: nothing outside can reach it, and a panic is a verdict"
)]

mod alive;
mod catalog;
mod command;
mod config;
mod crowd;
mod documented;
mod example;
mod lookups;
mod manifests;
mod memory;
mod overlays;
mod reading;
mod recorded;
mod registration;
mod resolver;
mod rig;
mod several;
mod trouble;
mod two_writers;
mod watches;
