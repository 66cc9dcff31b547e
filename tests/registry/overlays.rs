//! The kustomizations of k8s/: kubectl renders them, a server validates them, and the tests check
//! their promises.

use std::collections::BTreeSet;
use std::fs;

use serde_json::{Value, json};
use testkit::cluster::kustomize;

pub use self::overlay::{documents, k8s};

use self::overlay::Overlay;
mod admission;
mod command_line;
mod commands;
mod mesh;
mod overlay;
mod patience;
mod permissions;
mod placement;
mod pod_monitor;
mod probes;
mod resources;
mod seed;
mod selectors;

fn readme() -> String {
    fs::read_to_string(k8s().join("README.md")).expect("the manifests must have a README")
}

#[tokio::test]
async fn the_readme_names_each_overlay() {
    let readme = readme();
    let rows = readme.lines().filter(|line| line.starts_with("| `"));
    let named: BTreeSet<_> = rows
        .map(|row| {
            let command = row.split("`kubectl apply -k k8s/").nth(1).unwrap_or(row);
            command.split('`').next().unwrap_or(row).to_owned()
        })
        .collect();
    let there: BTreeSet<_> = Overlay::all()
        .await
        .iter()
        .map(|it| {
            let folder = it.folder.strip_prefix(k8s()).unwrap();
            folder.to_str().unwrap().to_owned()
        })
        .collect();
    assert_eq!(named, there);
}

#[tokio::test]
async fn the_readmes_own_kustomization_renames_its_objects() {
    let readme = readme();
    let block = readme
        .split("```")
        .nth(1)
        .and_then(|it| it.strip_prefix("yaml"));
    let [kustomization] = &documents(block.unwrap())[..] else {
        panic!("{block:?}")
    };
    assert_eq!(kustomization["resources"], json!(["k8s/overlays/registry"]));
    let folder = Overlay::named("registry")
        .await
        .under(kustomization.clone());

    let rendered = documents(&kustomize(folder.path()).await.unwrap());
    let find = |kind: &str, pointer: &str| {
        let document = rendered.iter().find(|it| it["kind"] == kind);
        document
            .and_then(|it| it.pointer(pointer))
            .and_then(Value::as_str)
    };
    let pod = "/spec/template/spec";
    let image = |container: &str| find("Deployment", &format!("{pod}/{container}/0/image"));
    assert_eq!(image("containers"), Some("registry.example.com/greeter:7"));
    assert_eq!(
        image("initContainers"),
        Some("registry.example.com/health:full")
    );
    assert_eq!(find("RoleBinding", "/metadata/namespace"), Some("shop"));
    // Without a namespace the account is that of the binding's namespace.
    let account = find("RoleBinding", "/subjects/0/namespace");
    assert!(account.is_none_or(|it| it == "shop"), "{account:?}");
}
