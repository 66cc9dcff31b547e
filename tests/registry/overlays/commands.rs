//! The command lines of each overlay.

use std::fs;

use micro_health::internal::Endpoint;
use micro_health::internal::Selector;
use micro_health::internal::ServerAddress;

use super::command_line::{CommandLine, Parsed};
use super::overlay::Overlay;

#[tokio::test]
async fn the_binary_accepts_the_command_lines_of_each_overlay() {
    for overlay in Overlay::all().await {
        let lines = CommandLine::all(&overlay.spec());
        assert!(!lines.is_empty(), "{}", overlay.name);
        for line in lines {
            let place = format!("{} {}", overlay.name, line.place);
            let target = match line.read() {
                Ok(Parsed::Sidecar(args)) => args.target,
                Ok(Parsed::Probe(plan)) => plan.target,
                Err(why) => panic!("{place}: {why}"),
            };
            let ServerAddress::Endpoint(Endpoint::Tcp(address)) = &target.server_address else {
                panic!("{place}: {:?}", target.server_address)
            };
            // The address is loopback: a mesh captures the pod's address, and a Service has other
            // pods too.
            let dialled = address.dial_addresses().expect("no name must be resolved");
            assert!(dialled.iter().all(|it| it.ip().is_loopback()), "{place}");
            assert_eq!(address.port, 8080, "{place}");
        }
    }
}

#[tokio::test]
async fn the_sidecar_exits_with_the_code_that_restarts_all() {
    let overlay = Overlay::named("restart-all").await;
    let line = &CommandLine::all(&overlay.spec())[0];
    let Ok(Parsed::Sidecar(args)) = line.read() else {
        panic!("{line:?}")
    };
    assert!(args.app.exit_after_failures > 0);
    let rules = &overlay.pod()["spec"]["initContainers"][0]["restartPolicyRules"];
    assert_eq!(rules[0]["action"], "RestartAllContainers");
    assert_eq!(rules[0]["exitCodes"]["values"][0], args.app.exit_code.get());
}

#[tokio::test]
async fn the_exec_probe_runs_the_copied_file() {
    for overlay in ["exec-probe-volume", "exec-probe-copy"] {
        let overlay = Overlay::named(overlay).await;
        let spec = overlay.spec();
        let mounts = spec.containers[0].volume_mounts.iter().flatten();
        // The image has only one file, at its root.
        let mounted = mounts.map(|it| format!("{}/health", it.mount_path)).next();
        let brought = mounted.unwrap_or_else(|| {
            let dockerfile = fs::read_to_string(overlay.folder.join("Dockerfile")).unwrap();
            let copy = dockerfile.lines().last().unwrap();
            let copied = copy.strip_prefix("COPY --from=health /health ");
            copied.unwrap_or_else(|| panic!("{copy}")).to_owned()
        });
        for line in CommandLine::all(&spec) {
            assert_eq!(*line.argv[0], *brought, "{} {}", overlay.name, line.place);
        }
    }
}

#[tokio::test]
async fn only_the_service_has_the_static_selector() {
    let spec = Overlay::named("static-selector").await.spec();
    let env = spec.containers[0].env.iter().flatten();
    let selector = env.into_iter().find(|it| it.name == "MICRO_SELECTOR");
    assert_eq!(selector.and_then(|it| it.value.as_deref()), Some("static"));
    let line = &CommandLine::all(&spec)[0];
    let Ok(Parsed::Sidecar(args)) = line.read() else {
        panic!("{line:?}")
    };
    assert_eq!(args.target.selector, Selector::None);
}
