//! Compiles proto/ without protoc, and records the commit and the features of the build.

use std::error::Error;
use std::process::Command;

fn main() -> Result<(), Box<dyn Error>> {
    println!("cargo:rerun-if-changed=proto");
    let descriptors = protox::compile(["health.proto"], ["proto"])?;
    tonic_prost_build::configure()
        .build_client(false)
        .codec_path("crate::server::grpc::codec::SmallCodec")
        .extern_path(
            ".grpc.health.v1.HealthCheckRequest",
            "::tonic_health::pb::HealthCheckRequest",
        )
        .extern_path(
            ".grpc.health.v1.HealthCheckResponse",
            "::tonic_health::pb::HealthCheckResponse",
        )
        .compile_fds(descriptors)?;

    println!("cargo:rerun-if-env-changed=MICRO_HEALTH_COMMIT");
    println!("cargo:rerun-if-changed=.git/HEAD");
    println!("cargo:rerun-if-changed=.git/logs/HEAD");
    println!("cargo:rustc-env=MICRO_HEALTH_COMMIT={}", commit());
    println!("cargo:rustc-env=MICRO_HEALTH_FEATURES={}", features());
    Ok(())
}

/// Returns the features that users choose between, for `--version`.
fn features() -> String {
    let chosen = ["kubernetes", "tls"].into_iter().filter(|feature| {
        std::env::var_os(format!("CARGO_FEATURE_{}", feature.to_uppercase())).is_some()
    });
    let chosen: Vec<_> = chosen.collect();
    if chosen.is_empty() {
        "none".to_owned()
    } else {
        chosen.join(", ")
    }
}

/// Returns the commit that the environment names, because an image build has no .git. Otherwise
/// returns git's commit, or "unknown".
fn commit() -> String {
    let from_git = || {
        let output = Command::new("git")
            .args(["rev-parse", "--short=12", "HEAD"])
            .output()
            .ok()
            .filter(|output| output.status.success())?;
        Some(String::from_utf8(output.stdout).ok()?.trim().to_owned())
    };
    std::env::var("MICRO_HEALTH_COMMIT")
        .ok()
        .filter(|commit| !commit.is_empty())
        .or_else(from_git)
        .unwrap_or_else(|| "unknown".to_owned())
}
