//! The permissions of overlays/registry in an operator's namespace.

use serde_json::Value;
use testkit::cluster::{IP, Namespace};

use super::command_line::{CommandLine, Parsed, sidecar};
use super::overlay::Overlay;
use crate::policy::{OWN_POD_ONLY, World, registers_and_deregisters};
use crate::rig::documented;

#[tokio::test]
async fn the_overlays_permissions_suffice_to_register_and_the_policy_applies() {
    let overlay = Overlay::named("registry").await;
    let namespace = Namespace::labelled("granted", &[(OWN_POD_ONLY, "true")]).await;
    let folder = overlay.in_namespace(&namespace.name);
    let folder = folder.path().to_str().expect("a path must be text");
    // The README's command, for a kustomization of the operator's own.
    let apply = format!("kubectl apply -k {folder}");
    documented::run(&[apply], &namespace, "").await;
    namespace
        .permissions_take_effect("micro-services", &["get", "patch"])
        .await;

    let mut pod = overlay.pod();
    // The test does the work of the kubelet and the scheduler.
    pod["spec"]["nodeName"] = "node-1".into();
    let create = ["create", "--filename=-"];
    namespace.kubectl(&create, &pod.to_string()).await.unwrap();
    namespace.run_pod("greeter-0", IP).await;
    namespace.running_pod("other-0", "micro-services", IP).await;
    let token = namespace.token("greeter-0").await;
    let pod = namespace.pod("greeter-0").await.unwrap();
    let world = World {
        namespace,
        token,
        uid: pod.metadata.uid.unwrap(),
    };
    world.policies_apply().await;
    registers_and_deregisters(&world).await;
    let bank = World::record("bank", &world.own_id("bank"), "10.1.0.112:8080");
    world.refuses(&bank, "micro-health/services").await;

    let spec = overlay.spec();
    let argv = &CommandLine::all(&spec)[0].argv;
    assert!(
        argv.iter().any(|it| it == "--registry=kubernetes"),
        "{argv:?}"
    );
    let image = sidecar(&spec).and_then(|it| it.image.as_deref());
    assert_eq!(image, Some("health:full"), "the slim one has no registry");
}

#[tokio::test]
async fn the_volume_has_the_files_that_the_sidecar_reads() {
    let overlay = Overlay::named("registry").await;
    let spec = overlay.spec();
    let line = &CommandLine::all(&spec)[0];
    let Ok(Parsed::Sidecar(args)) = line.read() else {
        panic!("{line:?}")
    };
    let mounts = sidecar(&spec).and_then(|it| it.volume_mounts.as_deref());
    let Some([mount]) = mounts else {
        panic!("there must be one: {mounts:?}")
    };
    let folder = args.registry.cluster.service_account;
    assert_eq!(folder.to_str(), Some(&*mount.mount_path));

    let pod = overlay.pod();
    let volume = &pod["spec"]["volumes"][0];
    assert_eq!(volume["name"], *mount.name);
    let files = [
        "/0/serviceAccountToken/path",
        "/1/configMap/items/0/path",
        "/2/downwardAPI/items/0/path",
    ];
    let sources = &volume["projected"]["sources"];
    let files = files.map(|pointer| sources.pointer(pointer).and_then(Value::as_str));
    assert_eq!(files, [Some("token"), Some("ca.crt"), Some("namespace")]);
}
