//! The command `health registry` in a pod, with the pod's own token: the real binary.

use std::process::Stdio;

use serde_json::Value;
use testkit::cluster::{GoClient, IP, Identity, Namespace, RELEASES, ROLE, S6};
use testkit::within;
use tokio::io::{AsyncBufReadExt as _, BufReader};

/// Runs the command and returns exit code, stdout and stderr.
async fn run(identity: &Identity, args: &[&str]) -> (i32, String, String) {
    let mut command = identity.command(env!("CARGO_BIN_EXE_health"));
    command.arg("registry").args(args);
    let output = within("health registry", command.output()).await.unwrap();
    let text = |bytes| String::from_utf8(bytes).unwrap();
    let code = output.status.code().expect("it must exit by itself");
    (code, text(output.stdout), text(output.stderr))
}

#[tokio::test]
async fn another_pod_is_registered_for_every_release() {
    let namespace = Namespace::fresh("command").await;
    namespace.account("greeter", &ROLE, &[]).await;
    for pod in ["operator-0", "greeter-0"] {
        namespace.running_pod(pod, "greeter", IP).await;
    }
    let operator = namespace.identity("operator-0").await;
    let mut watch = operator.command(env!("CARGO_BIN_EXE_health"));
    watch.args([
        "registry",
        "watch",
        "greeter",
        "-o",
        "json",
        "--register_scheme=both",
    ]);
    let mut watch = watch.stdout(Stdio::piped()).spawn().unwrap();
    let mut events = BufReader::new(watch.stdout.take().unwrap()).lines();
    let mut next = async || {
        let line = within("an event", events.next_line()).await.unwrap();
        let event: Value = serde_json::from_str(&line.expect("a watch must go on")).unwrap();
        let address = event["service"]["nodes"][0]["address"].clone();
        (event["action"].clone(), address)
    };

    let greeter = [
        "--pod_name=greeter-0",
        "--server_name=greeter",
        "--register_scheme=both",
    ];
    let (code, out, err) = run(
        &operator,
        &[&["register", "--server_address=:9091"], &greeter[..]].concat(),
    )
    .await;
    let address = format!("{IP}:9091");
    let expected = format!("registered: greeter at {address} in pod greeter-0\n");
    assert_eq!((code, out, &*err), (0, expected, ""));
    assert_eq!(next().await, ("create".into(), (&*address).into()));
    for release in RELEASES {
        let found = GoClient::new(release, &operator)
            .get("greeter")
            .await
            .unwrap();
        assert_eq!(found[0].nodes()[0].address, address, "{release}");
    }
    let (code, out, _) = run(&operator, &["list"]).await;
    let expected = "NAME      VERSION   NODES   ENDPOINTS\ngreeter   latest    1       0\n";
    assert_eq!((code, &*out), (0, expected));
    let (code, out, _) = run(&operator, &["get", "greeter"]).await;
    assert_eq!(code, 0);
    assert!(
        out.contains(&format!("   {address}   latest    -\n")),
        "{out}"
    );

    let (code, out, _) = run(&operator, &[&["deregister"], &greeter[..]].concat()).await;
    assert_eq!(
        (code, &*out),
        (0, "deregistered: greeter in pod greeter-0\n")
    );
    assert_eq!(next().await, ("delete".into(), (&*address).into()));
    let pod = namespace.pod("greeter-0").await.unwrap().metadata;
    let ours = |key: &&String| key.starts_with("micro") || key.starts_with("go.micro");
    let left = pod.labels.iter().flatten().map(|(key, _)| key);
    let left = left.chain(pod.annotations.iter().flatten().map(|(key, _)| key));
    assert_eq!(left.filter(ours).count(), 0, "nothing of ours must be left");
    let (code, _, err) = run(&operator, &["get", "greeter"]).await;
    let expected = format!(
        "error: no service \"greeter\" in namespace {}\n",
        namespace.name
    );
    assert_eq!((code, err), (1, expected));
    watch.kill().await.unwrap();
}

#[tokio::test]
async fn a_record_of_any_release_is_deregistered() {
    let namespace = Namespace::fresh("left").await;
    namespace.account("greeter", &ROLE, &[]).await;
    namespace.running_pod("greeter-0", "greeter", IP).await;
    let identity = namespace.identity("greeter-0").await;
    for release in RELEASES {
        let go = GoClient::new(release, &identity);
        go.register("greeter").await.unwrap();
        let scheme = if release == S6 {
            "go.micro"
        } else {
            "micro.mu"
        };
        let scheme = format!("--register_scheme={scheme}");
        let greeter = ["--pod_name=greeter-0", "--server_name=greeter"];
        let flags = [&["deregister", &*scheme], &greeter[..]].concat();
        let (code, _, err) = run(&identity, &flags).await;
        assert_eq!((code, &*err), (0, ""), "{release}");
        let found = go.get("greeter").await.unwrap_or_default();
        assert_eq!(found, [], "{release}");
        let (code, _, err) = run(&identity, &flags).await;
        let expected = "error: greeter is not registered in pod greeter-0\n";
        assert_eq!((code, &*err), (1, expected), "{release}");
    }
}

#[tokio::test]
async fn check_predicts_the_refusals_of_the_api_server() {
    let namespace = Namespace::fresh("check").await;
    for (account, verbs) in [
        ("all", &ROLE[..]),
        ("reader", &["list", "watch"]),
        ("none", &[]),
    ] {
        namespace.account(account, verbs, &[]).await;
        let pod = format!("{account}-0");
        namespace.running_pod(&pod, account, IP).await;
        let identity = namespace.identity(&pod).await;
        let (code, out, err) = run(&identity, &["check"]).await;
        assert_eq!(err, "", "{account}");
        let user = format!("system:serviceaccount:{}:{account}", namespace.name);
        assert!(
            out.starts_with(&format!("permissions of {user} on pods")),
            "{out}"
        );
        for verb in ROLE {
            let may = if verbs.contains(&verb) { "yes" } else { "no" };
            let row = |line: &&str| line.starts_with(verb);
            let row = out.lines().find(row).unwrap_or_else(|| panic!("{out}"));
            assert_eq!(row.split_whitespace().nth(1), Some(may), "{account} {row}");
        }
        let is_enough = account == "all";
        assert_eq!(
            (code == 0, !out.contains("kind: Role\n")),
            (is_enough, is_enough)
        );

        let pod = format!("--pod_name={pod}");
        let flags = [
            "register",
            &pod,
            "--server_name=greeter",
            "--server_address=:1",
        ];
        let (code, _, err) = run(&identity, &flags).await;
        assert_eq!(code == 0, is_enough, "{account}: {err}");
        if !is_enough {
            let verb = if account == "reader" { "patch" } else { "get" };
            assert!(
                err.contains(&format!("missing verb: {verb} on pods; ")),
                "{err}"
            );
            assert!(
                err.contains(&format!("User \"{user}\" cannot {verb} ")),
                "{err}"
            );
            assert!(
                err.contains(&format!("name: micro-registry-{account}\n")),
                "{err}"
            );
        }
    }
}
