//! The Roles of k8s/, applied and bound by the commands that their files show.

use std::fs;

use serde_json::Value;
use testkit::cluster::Namespace;
use testkit::{LOOK_AGAIN, within};
use tokio::time::sleep;

use crate::overlays::{documents, k8s};
use crate::rig::documented;

/// The files that hold a Role. The one that exempts from the policies is applied in `policy`, because
/// its resource does not exist, which `kubectl auth can-i` does not take.
const FILES: [&str; 5] = [
    "registry/role.yaml",
    "registry/role-get-patch.yaml",
    "resolver/role.yaml",
    "catalog/role.yaml",
    "config/role.yaml",
];

/// A question to the API server's authorizer: the words of `kubectl auth can-i`.
fn permissions(file: &str) -> Vec<Vec<String>> {
    let yaml = fs::read_to_string(k8s().join(file)).unwrap();
    let documents = documents(&yaml);
    let is_role = |it: &&Value| it["kind"] == "Role" || it["kind"] == "ClusterRole";
    let role = documents.iter().find(is_role).unwrap();
    let list = |value: &Value| -> Vec<String> {
        let values = value.as_array().into_iter().flatten();
        values.map(|it| it.as_str().unwrap().to_owned()).collect()
    };
    let mut permissions = Vec::new();
    for rule in role["rules"].as_array().unwrap() {
        for verb in list(&rule["verbs"]) {
            for resource in list(&rule["resources"]) {
                let name = list(&rule["resourceNames"]).pop();
                let resource = match &*list(&rule["apiGroups"])[0] {
                    "" => resource,
                    group => format!("{resource}.{group}"),
                };
                let object = name.map_or(resource.clone(), |name| format!("{resource}/{name}"));
                permissions.push(vec![verb.clone(), object]);
            }
        }
    }
    permissions
}

async fn may(namespace: &Namespace, account: &str, permission: &[String]) -> bool {
    let user = format!("--as=system:serviceaccount:{account}");
    let mut words = vec!["auth", "can-i", "--quiet", &user];
    words.extend(permission.iter().map(String::as_str));
    namespace.kubectl(&words, "").await.is_ok()
}

#[tokio::test]
async fn the_commands_of_each_file_grant_the_named_account_and_no_other() {
    let namespace = Namespace::fresh("roles").await;
    for file in FILES {
        documented::apply(file, &namespace, "greeter").await;
        let own = format!("{}:greeter", namespace.name);
        let permissions = permissions(file);
        within("the role to take effect", async {
            for permission in &permissions {
                while !may(&namespace, &own, permission).await {
                    sleep(LOOK_AGAIN).await;
                }
            }
        })
        .await;
        let micro_services = format!("{}:micro-services", namespace.name);
        for permission in &permissions {
            // The account that the bindings of k8s/registry name.
            let is_granted = may(&namespace, &micro_services, permission).await;
            assert_eq!(is_granted, file.starts_with("registry/"), "{file}");
        }
        let others = [
            "default:greeter".to_owned(),
            "default:micro-services".to_owned(),
            format!("{}:default", namespace.name),
        ];
        for other in others {
            for permission in &permissions {
                let is_granted = may(&namespace, &other, permission).await;
                assert!(!is_granted, "{file} grants {permission:?} to {other}");
            }
        }
        // Nothing is granted in another namespace.
        let elsewhere = Namespace::fresh("elsewhere").await;
        for permission in &permissions {
            assert!(!may(&elsewhere, &own, permission).await, "{file}");
        }
        let name = file.split('/').next().unwrap();
        let bindings = ["get", "rolebindings", "--output=name"];
        let bindings = namespace.kubectl(&bindings, "").await.unwrap();
        assert!(bindings.contains("-greeter"), "{name}: {bindings}");
        delete_bindings(&namespace).await;
    }
}

#[tokio::test]
async fn the_commands_of_the_page_about_the_registry_grant_the_account() {
    let namespace = Namespace::fresh("registry-page").await;
    let commands = documented::commands(include_str!("../../docs/registry.md"));
    assert_eq!(commands.len(), 4, "{commands:#?}");
    documented::run(&commands, &namespace, "greeter").await;
    let permission = ["patch".to_owned(), "pods".to_owned()];
    let own = format!("{}:greeter", namespace.name);
    within("the role to take effect", async {
        while !may(&namespace, &own, &permission).await {
            sleep(LOOK_AGAIN).await;
        }
    })
    .await;
    assert!(!may(&namespace, "default:greeter", &permission).await);
}

#[tokio::test]
async fn applying_the_file_again_corrects_an_old_binding() {
    let namespace = Namespace::fresh("corrected").await;
    let file = fs::read_to_string(k8s().join("registry/role-get-patch.yaml")).unwrap();
    let old = format!("{file}  namespace: default\n");
    let apply = ["apply", "--filename=-"];
    namespace.kubectl(&apply, &old).await.unwrap();
    let permission = ["patch".to_owned(), "pods".to_owned()];
    let own = format!("{}:micro-services", namespace.name);
    for (corrected, granted) in [(false, "default:micro-services"), (true, &own)] {
        if corrected {
            let commands = documented::commands_of("registry/role-get-patch.yaml");
            documented::run(&commands[..1], &namespace, "").await;
        }
        within("the binding to take effect", async {
            while !may(&namespace, granted, &permission).await {
                sleep(LOOK_AGAIN).await;
            }
        })
        .await;
    }
    assert!(!may(&namespace, "default:micro-services", &permission).await);
}

/// Removes what one file has granted, so that the next file is tested alone.
async fn delete_bindings(namespace: &Namespace) {
    let delete = ["delete", "rolebindings", "--all"];
    namespace.kubectl(&delete, "").await.unwrap();
    let own = format!("{}:greeter", namespace.name);
    let permission = ["patch".to_owned(), "pods".to_owned()];
    within("the revocation to take effect", async {
        while may(namespace, &own, &permission).await {
            sleep(LOOK_AGAIN).await;
        }
    })
    .await;
}

#[test]
fn no_binding_names_a_namespace() {
    let mut folders = vec![k8s()];
    let mut found = 0;
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                folders.push(path);
                continue;
            }
            let text = fs::read_to_string(&path).unwrap();
            if !text.lines().any(|line| line == "kind: RoleBinding") {
                continue;
            }
            for document in documents(&text) {
                for subject in document["subjects"].as_array().into_iter().flatten() {
                    // `kubectl apply -n` would not change it.
                    assert_eq!(subject["namespace"], Value::Null, "{}", path.display());
                    found += 1;
                }
            }
        }
    }
    assert_eq!(found, 2);
}

#[tokio::test]
async fn the_overlay_grants_the_account_of_the_chosen_namespace() {
    let permission = ["patch".to_owned(), "pods".to_owned()];
    let chosen = Namespace::fresh("chosen").await;
    let apply = "kubectl apply -n NAMESPACE -k k8s/overlays/registry".to_owned();
    documented::run(&[apply], &chosen, "").await;
    let own = format!("{}:micro-services", chosen.name);
    within("the role to take effect", async {
        while !may(&chosen, &own, &permission).await {
            sleep(LOOK_AGAIN).await;
        }
    })
    .await;
    assert!(!may(&chosen, "default:micro-services", &permission).await);
}
