//! A kustomization of k8s/, as kubectl renders it.

use std::fs;
use std::path::{Component, Path, PathBuf};

use k8s_openapi::api::core::v1::{Container, PodSpec};
use serde_json::{Value, json};
use tempfile::TempDir;
use testkit::cluster::kustomize;
use tokio::sync::OnceCell;

/// The base, or one of the overlays.
#[derive(Debug)]
pub struct Overlay {
    pub name: String,
    pub folder: PathBuf,
    pub documents: Vec<Value>,
}

/// Returns the folder of the manifests.
pub fn k8s() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("k8s")
}

/// Returns the documents of a YAML file.
pub fn documents(yaml: &str) -> Vec<Value> {
    serde_saphyr::from_multiple(yaml).unwrap_or_else(|error| panic!("not YAML: {error}\n{yaml}"))
}

/// Returns the containers of a pod, init containers first.
pub fn containers(spec: &PodSpec) -> impl Iterator<Item = &Container> {
    let init = spec.init_containers.iter().flatten();
    init.chain(&spec.containers)
}

// === impl Overlay ===

impl Overlay {
    /// Returns the base and every overlay.
    pub async fn all() -> &'static [Self] {
        static ALL: OnceCell<Vec<Overlay>> = OnceCell::const_new();
        let all = ALL.get_or_init(|| async {
            let overlays = fs::read_dir(k8s().join("overlays")).expect("k8s/ must be readable");
            let mut folders: Vec<_> = overlays.map(|entry| entry.unwrap().path()).collect();
            folders.sort();
            folders.insert(0, k8s().join("base"));
            let mut all = Vec::new();
            for folder in folders {
                all.push(Self::rendered(folder).await);
            }
            all
        });
        all.await
    }

    /// Returns the overlay of this name.
    pub async fn named(name: &str) -> &'static Self {
        let found = Self::all().await.iter().find(|it| it.name == name);
        found.unwrap_or_else(|| panic!("no overlay {name}"))
    }

    async fn rendered(folder: PathBuf) -> Self {
        let name = folder.file_name().expect("a folder must have a name");
        let yaml = kustomize(&folder).await;
        let yaml = yaml.unwrap_or_else(|why| panic!("{}: {why}", folder.display()));
        Self {
            name: name.to_string_lossy().into_owned(),
            documents: documents(&yaml),
            folder,
        }
    }

    /// Returns its documents of one kind.
    pub fn of_kind(&self, kind: &str) -> Vec<&Value> {
        let of_kind = self.documents.iter().filter(|it| it["kind"] == kind);
        of_kind.collect()
    }

    /// Returns the pod that its Deployment would create.
    pub fn pod(&self) -> Value {
        let [deployment] = self.of_kind("Deployment")[..] else {
            panic!("{} must have one Deployment", self.name)
        };
        let mut pod = deployment["spec"]["template"].clone();
        pod["apiVersion"] = json!("v1");
        pod["kind"] = json!("Pod");
        pod["metadata"]["name"] = json!("greeter-0");
        pod
    }

    /// Returns the spec of that pod.
    pub fn spec(&self) -> PodSpec {
        let spec = self.pod()["spec"].take();
        serde_json::from_value(spec).unwrap_or_else(|error| panic!("{}: {error}", self.name))
    }

    /// Writes a kustomization that puts it into a namespace, as an operator would.
    pub fn in_namespace(&self, namespace: &str) -> TempDir {
        let kustomization = json!({
            "apiVersion": "kustomize.config.k8s.io/v1beta1",
            "kind": "Kustomization",
            "namespace": namespace,
        });
        self.under(kustomization)
    }

    /// Writes a kustomization on top of it.
    pub fn under(&self, mut kustomization: Value) -> TempDir {
        let folder = tempfile::tempdir().expect("a temporary directory must be makeable");
        let at = folder.path().canonicalize().expect("it must be there");
        let names = |path: &Path| {
            let names = path.components();
            let names = names.filter(|it| matches!(it, Component::Normal(_)));
            names
                .map(|it| it.as_os_str().to_owned())
                .collect::<Vec<_>>()
        };
        // kubectl accepts no absolute path.
        let up = names(&at).into_iter().map(|_| "..".into());
        let base: PathBuf = up.chain(names(&self.folder)).collect();
        kustomization["resources"] = json!([base]);
        fs::write(at.join("kustomization.yaml"), kustomization.to_string())
            .expect("a temporary directory must be writable");
        folder
    }
}
