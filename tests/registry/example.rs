//! The example examples/greeter.rs: a Rust program that registers itself.

use std::path::PathBuf;
use std::process::Stdio;

use futures_util::future::join_all;
use testkit::cluster::{GoClient, IP, Namespace, RELEASES, S6};
use testkit::{LOOK_AGAIN, within};
use tokio::process::Command;
use tokio::time::sleep;

/// Returns the path of the program beside the tests, where `just registry` has built it.
fn greeter() -> PathBuf {
    let test = std::env::current_exe().unwrap();
    let greeter = test.ancestors().nth(2).unwrap().join("examples/greeter");
    assert!(
        greeter.exists(),
        "examples/greeter.rs must be built: run `just registry`"
    );
    greeter
}

#[tokio::test]
async fn a_rust_service_is_found_by_go_and_gone_after_ctrl_c() {
    let namespace = Namespace::fresh("example").await;
    namespace
        .account("greeter", &["get", "list", "patch"], &[])
        .await;
    namespace.running_pod("greeter-0", "greeter", IP).await;
    let identity = namespace.identity("greeter-0").await;
    let mut command = identity.command(greeter());
    command.args([
        "127.0.0.1:0",
        "--registry=kubernetes",
        "--register_scheme=both",
    ]);
    let mut greeter = command
        .env("POD_IP", IP.to_string())
        .stderr(Stdio::inherit())
        .spawn()
        .unwrap();

    join_all(RELEASES.map(|release| {
        let client = GoClient::new(release, &identity);
        within("a Go client to find it", async move {
            loop {
                let found = client.get("greeter").await.unwrap_or_default();
                if let [service] = &found[..] {
                    assert!(
                        service.nodes()[0].address.starts_with(&IP.to_string()),
                        "{release}: {service:?}"
                    );
                    return;
                }
                sleep(LOOK_AGAIN).await;
            }
        })
    }))
    .await;

    let id = greeter.id().unwrap().to_string();
    let kill = Command::new("kill").args(["-s", "INT", &id]).status();
    assert!(within("kill", kill).await.unwrap().success());
    assert!(within("its end", greeter.wait()).await.unwrap().success());
    let gone = GoClient::new(S6, &identity)
        .get("greeter")
        .await
        .unwrap_or_default();
    assert_eq!(gone, []);
    let metadata = namespace.pod("greeter-0").await.unwrap().metadata;
    assert_eq!(
        (
            metadata.labels.unwrap_or_default().len(),
            metadata.annotations.unwrap_or_default().len()
        ),
        (0, 0)
    );
}
