//! The programs that `tests/rig/build.sh` builds: go-micro services, Kubernetes and its tools.

use std::path::PathBuf;

/// The variable that names the folder of the programs. Each recipe of the justfile sets it.
const FOLDER: &str = "MICRO_HEALTH_RIG_BIN";

/// Returns the path of a program, and panics if it was not built.
pub fn program(name: &str) -> PathBuf {
    let folder = std::env::var_os(FOLDER)
        .unwrap_or_else(|| panic!("{FOLDER} must name the built programs: run a recipe of `just`"));
    let program = PathBuf::from(folder).join(name);
    assert!(
        program.exists(),
        "{name} must be built: run a recipe of `just`, which calls tests/rig/build.sh"
    );
    program
}
