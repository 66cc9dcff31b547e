//! Images without a registry: archives in the form of `docker save`, which containerd imports.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use serde_json::{Value, json};
use tempfile::TempDir;
use testkit::rig::program;

use super::CELLS;

/// The image of the container that keeps a pod's namespaces open.
pub const PAUSE: &str = "localhost/pause:1";

/// The image of the sidecar, like `full` of the Dockerfile.
pub const HEALTH: &str = "localhost/health:1";

/// The variable that names the file in that image.
const SHIPPED: &str = "MICRO_HEALTH_SHIPPED";

/// Returns the name of a greeter's image.
pub fn greeter(cell: &str) -> String {
    format!("localhost/greeter:{cell}")
}

/// Imports all images into containerd.
pub fn import_all() {
    let health = std::env::var_os(SHIPPED).map(PathBuf::from);
    let health = health
        .unwrap_or_else(|| panic!("{SHIPPED} must name a static `health`: run `just cluster`"));
    import(PAUSE, &[("pause", &program("pause"))], &[]);
    import(
        HEALTH,
        &[("health", &health)],
        &["MICRO_HEALTH_ADDRESS=0.0.0.0:8080"],
    );
    for cell in CELLS {
        // The second file is copied as by the README's COPY --from, for exec probes.
        let files: [(_, &Path); 2] = [("greeter", &program(cell)), ("health", &health)];
        import(&greeter(cell), &files, &[]);
    }
}

/// Imports an image whose entrypoint is the first of its files.
fn import(name: &str, files: &[(&str, &Path)], variables: &[&str]) {
    let folder = TempDir::new().expect("the cluster's folder must be writable");
    let root = folder.path().join("root");
    fs::create_dir(&root).expect("a fresh folder must be writable");
    for (name, source) in files {
        fs::copy(source, root.join(name))
            .unwrap_or_else(|error| panic!("{}: {error}", source.display()));
    }
    run(Command::new("tar")
        .arg("--create")
        .arg("--file")
        .arg(folder.path().join("layer.tar"))
        .args(["--owner=0", "--group=0", "--directory"])
        .arg(&root)
        .args(files.iter().map(|(name, _)| name)));
    let sum = run(Command::new("sha256sum").arg(folder.path().join("layer.tar")));
    let sum = sum.split(' ').next().unwrap_or_default();
    let write = |name: &str, value: &Value| fs::write(folder.path().join(name), value.to_string());
    let variables: Vec<_> = ["PATH=/"].iter().chain(variables).collect();
    write("config.json", &json!({
        "architecture": architecture(),
        "os": "linux",
        "config": { "Entrypoint": [format!("/{}", files[0].0)], "Env": variables, "User": "65532:65532" },
        "rootfs": { "type": "layers", "diff_ids": [format!("sha256:{sum}")] },
    }))
    .and_then(|()| {
        write("manifest.json", &json!([{ "Config": "config.json", "RepoTags": [name], "Layers": ["layer.tar"] }]))
    })
    .expect("a fresh folder must be writable");
    let archive = folder.path().join("image.tar");
    run(Command::new("tar")
        .arg("--create")
        .arg("--file")
        .arg(&archive)
        .arg("--directory")
        .arg(folder.path())
        .args(["manifest.json", "config.json", "layer.tar"]));
    run(Command::new(program("ctr"))
        .args(["--namespace", "k8s.io", "images", "import"])
        .arg(&archive));
}

/// Returns the name of the architecture in images.
fn architecture() -> &'static str {
    match std::env::consts::ARCH {
        "x86_64" => "amd64",
        "aarch64" => "arm64",
        other => other,
    }
}

/// Runs a command and returns its stdout.
fn run(command: &mut Command) -> String {
    let output = command
        .output()
        .unwrap_or_else(|error| panic!("{command:?}: {error}"));
    assert!(output.status.success(), "{command:?}: {output:?}");
    String::from_utf8_lossy(&output.stdout).into_owned()
}
