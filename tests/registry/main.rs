//! Tests against a real API server with the Go registries of every generation, and the manifests
//! of k8s/.
//!
//! `testkit::cluster` has the API server, the objects in it and the Go registries; [`rig`] has `health` in
//! a pod. The tests share one API server, each in a namespace of its own, except those that stop it.
//! `just registry` builds the programs and runs this.
#![expect(
    unreachable_pub,
    clippy::unwrap_used,
    reason = "a test binary: nothing outside can reach it, and a panic is a verdict"
)]

mod catalog;
mod command;
mod config;
mod control_plane;
mod crowd;
mod documented_commands;
mod example;
mod exchange;
mod lookups;
mod manifests;
mod memory;
mod overlays;
mod policy;
mod recordings;
mod registration;
mod renames;
mod resolver;
mod rig;
mod roles;
mod several_sidecars;
mod trouble;
mod two_services;
mod two_writers;
mod watches;
mod webhooks;
