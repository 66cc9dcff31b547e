//! `health registry`: its output and its exit codes.

use micro_health::internal::Console;
use micro_health::internal::registry::{self, options};
use micro_health::registry::Registry;
use serde_json::{Value, json};
use testkit::api_server::{
    NAMESPACE, Reply, client, client_in_order, client_with_pod, event, greeter_pod, list, refused,
    unregistered_pod,
};
use testkit::process;
use testkit::within;

use crate::PROGRAM;

/// Runs `health registry …` and returns exit code, stdout and stderr.
async fn run(client: kube::Client, text: &str) -> (u8, String, String) {
    let argv = format!("health {text}");
    let argv = argv.split(' ').map(Into::into).collect();
    let request = options::read(argv, |_| None).unwrap();
    let registry = Registry::new(client, NAMESPACE, request.schemes)
        .include_not_ready(request.include_not_ready);
    let (mut out, mut err) = (Vec::new(), Vec::new());
    let mut console = Console {
        out: &mut out,
        err: &mut err,
    };
    let act = registry::act(&request, &registry, &mut console);
    let code = within(text, act).await.unwrap();
    let text = |bytes| String::from_utf8(bytes).unwrap();
    (code, text(out), text(err))
}

#[tokio::test(start_paused = true)]
async fn the_command_line_registers_and_deregisters() {
    let (client, wire) = client_with_pod(unregistered_pod(), &[]);
    let register = "register --pod_name=g-0 --server_name=greeter --server_address=:9091";
    let (code, out, _) = run(client.clone(), register).await;
    assert_eq!(
        (code, &*out),
        (0, "registered: greeter at 10.0.0.7:9091 in pod g-0\n")
    );
    let (code, out, _) = run(client.clone(), register).await;
    assert_eq!(
        (code, &*out),
        (
            0,
            "already registered: greeter at 10.0.0.7:9091 in pod g-0\n"
        )
    );
    let record = &wire.patches()[0]["annotations"]["micro.mu/service-greeter"];
    assert!(
        record
            .as_str()
            .unwrap()
            .contains("\"id\":\"greeter-uid-g-0\""),
        "{record}"
    );
    let deregister = "deregister --pod_name=g-0 --server_name=greeter";
    let (code, out, _) = run(client.clone(), deregister).await;
    assert_eq!((code, &*out), (0, "deregistered: greeter in pod g-0\n"));
    let (code, out, err) = run(client, deregister).await;
    assert_eq!((code, &*out), (1, ""));
    assert_eq!(err, "error: greeter is not registered in pod g-0\n");
}

#[tokio::test(start_paused = true)]
async fn the_command_line_lists_and_gets() {
    let pods = || {
        [
            greeter_pod("a", "1", "10.0.0.1:80"),
            greeter_pod("b", "2", "10.0.0.2:80"),
        ]
    };
    let answer = || client_in_order([list("7", pods())]).0;
    let (code, out, _) = run(answer(), "list").await;
    let expected = "NAME      VERSION   NODES   ENDPOINTS\ngreeter   latest    2       0\n";
    assert_eq!((code, &*out), (0, expected));
    let (code, out, _) = run(answer(), "get greeter").await;
    let expected = "\
NODE        ADDRESS       VERSION   METADATA
greeter-a   10.0.0.1:80   latest    -
greeter-b   10.0.0.2:80   latest    -
";
    assert_eq!((code, &*out), (0, expected));
    let (code, out, _) = run(answer(), "get greeter -o json").await;
    let services: Vec<Value> = serde_json::from_str(&out).unwrap();
    assert_eq!((code, services.len()), (0, 1));
    assert_eq!(services[0]["nodes"][1]["address"], "10.0.0.2:80");
    let (code, out, err) = run(client_in_order([list("7", [])]).0, "get greeter").await;
    assert_eq!((code, &*out), (1, ""));
    assert_eq!(err, "error: no service \"greeter\" in namespace demo\n");
}

#[tokio::test(start_paused = true)]
async fn the_command_line_watches_until_it_is_refused() {
    let sentence = "pods is forbidden: User \"jane\" cannot watch resource \"pods\" in API group \"\" in the namespace \"demo\"";
    let (client, _) = client_in_order([
        refused(503, "apiserver is shutting down"),
        list("10", [greeter_pod("a", "1", "10.0.0.1:80")]),
        Reply::EndedWatch(vec![event(
            "DELETED",
            &greeter_pod("a", "11", "10.0.0.1:80"),
        )]),
        refused(403, sentence),
    ]);
    let (code, out, err) = run(client, "watch").await;
    assert_eq!(code, 1);
    assert_eq!(
        out,
        "create greeter latest 10.0.0.1:80\ndelete greeter latest 10.0.0.1:80\n"
    );
    let mut lines = err.lines();
    let warning = "warning: the API server answers 503 Service Unavailable: apiserver is shutting down; trying again";
    assert_eq!(lines.next(), Some(warning));
    assert_eq!(lines.next(), Some(&*format!("error: {sentence}")));
    assert!(err.contains("kind: User\n"), "{err}");
}

#[tokio::test(start_paused = true)]
async fn check_shows_the_missing_permissions() {
    let answer = |denied: &'static str| {
        client(move |request| {
            assert_eq!(request.method, "POST");
            if request.path.ends_with("/selfsubjectreviews") {
                let user = json!({"username": "system:serviceaccount:demo:web"});
                return Reply::Json(201, json!({"status": {"userInfo": user}}));
            }
            let resource = &request.body["spec"]["resourceAttributes"];
            assert_eq!(resource["namespace"], "demo");
            assert_eq!(resource["resource"], "pods");
            let allowed = resource["verb"] != denied;
            Reply::Json(201, json!({"status": {"allowed": allowed}}))
        })
    };
    let (code, out, _) = run(answer("get").0, "check").await;
    assert_eq!(code, 0, "{out}");
    assert!(
        out.starts_with("permissions of system:serviceaccount:demo:web on pods"),
        "{out}"
    );
    assert!(!out.contains("kind: Role"), "{out}");
    let (client, wire) = answer("watch");
    let (code, out, _) = run(client, "check --pod_name=g-0").await;
    assert_eq!(code, 1);
    assert!(out.contains("watch   no "), "{out}");
    assert!(out.contains("kind: RoleBinding"), "{out}");
    assert_eq!(
        wire.requests()[0].body["spec"]["resourceAttributes"]["name"],
        "g-0"
    );
}

#[tokio::test]
async fn the_binary_has_the_command() {
    let run = async |args: &[&str]| {
        let output = process::command(PROGRAM)
            .arg("registry")
            .args(args)
            .output();
        let output = within("health registry", output).await.unwrap();
        let text = |bytes| String::from_utf8(bytes).unwrap();
        (
            output.status.code(),
            text(output.stdout),
            text(output.stderr),
        )
    };
    let (code, out, err) = run(&["--help"]).await;
    assert_eq!((code, &*err), (Some(0), ""));
    assert!(out.contains("Usage: health registry <COMMAND>"), "{out}");
    let (code, out, err) = run(&[]).await;
    assert_eq!((code, &*out), (Some(2), ""));
    assert!(err.contains("Usage: health registry <COMMAND>"), "{err}");
    // The port has no listener.
    let (code, out, err) = run(&["list", "--registry_address=http://127.0.0.1:1"]).await;
    assert_eq!((code, &*out), (Some(1), ""));
    assert!(
        err.starts_with("error: the API server cannot be reached: "),
        "{err}"
    );
    let (code, _, err) = run(&["list", "--registry_address=consul:8500"]).await;
    assert_eq!(code, Some(2));
    assert!(err.contains("expected http:// or https://"), "{err}");
}
