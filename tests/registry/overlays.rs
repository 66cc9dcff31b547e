//! The kustomizations of k8s/: rendered by kubectl, shown to a server, and held to what they promise.

use std::collections::BTreeSet;
use std::fs;

use self::overlay::{Overlay, k8s};

mod admitted;
mod command_line;
mod commands;
mod given;
mod granted;
mod mesh;
mod overlay;
mod placement;
mod pod_monitor;
mod probed;
mod seed;
mod selected;

#[tokio::test]
async fn the_readme_names_each_of_them() {
    let readme = fs::read_to_string(k8s().join("README.md")).unwrap();
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
