//! Services without an endpoint that can be dialled: `health resolve` and `health probe` say why. The
//! API server is a script on loopback.

use serde_json::{Value, json};
use testkit::{process, within};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};

use crate::PROGRAM;

/// Answers one request: a list of this slice, the Service, or a watch without an event.
async fn answer(mut stream: TcpStream, slice: &Value, service: &Value) {
    let mut head = [0; 4096];
    let length = stream.read(&mut head).await.unwrap_or_default();
    let head = String::from_utf8_lossy(&head[..length]);
    let slices: Vec<_> = Some(slice)
        .filter(|slice| slice.is_object())
        .into_iter()
        .collect();
    let body = if head.contains("/services/greeter ") {
        service.clone()
    } else if head.contains("watch=") {
        return std::future::pending().await;
    } else {
        json!({"kind": "EndpointSliceList", "apiVersion": "discovery.k8s.io/v1", "metadata": {"resourceVersion": "1"}, "items": slices})
    };
    let body = body.to_string();
    let status = if service["code"] == 403 && head.contains("/services/") {
        "403 Forbidden"
    } else {
        "200 OK"
    };
    let length = body.len();
    let head =
        format!("HTTP/1.1 {status}\r\nConnection: close\r\nContent-Length: {length}\r\n\r\n");
    let _ = stream.write_all((head + &body).as_bytes()).await;
}

/// Runs a command against an API server with one slice and a Service. Returns all that it printed.
async fn told(command: &[&str], slice: &Value, service: &Value) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let server = format!(
        "--registry_address=http://{}",
        listener.local_addr().unwrap()
    );
    let (slice, service) = (slice.clone(), service.clone());
    let serving = tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            let (slice, service) = (slice.clone(), service.clone());
            tokio::spawn(async move { answer(stream, &slice, &service).await });
        }
    });
    let mut running = process::command(PROGRAM);
    running.args(command).arg(server);
    let output = within("a command", running.output()).await.unwrap();
    serving.abort();
    let text = [output.stdout, output.stderr].concat();
    let text = String::from_utf8(text).unwrap();
    assert!(output.status.code().is_some_and(|code| code > 0), "{text}");
    text
}

fn slice(kind: &str, address: &str, ports: &Value) -> Value {
    json!({
        "metadata": {"name": "greeter-a", "namespace": "shop", "resourceVersion": "1"},
        "addressType": kind,
        "endpoints": [{"addresses": [address], "conditions": {"ready": true}}],
        "ports": ports,
    })
}

#[tokio::test]
async fn a_service_that_cannot_be_dialled_is_explained() {
    let spec = |spec: &Value| json!({"kind": "Service", "apiVersion": "v1", "spec": spec});
    let external = spec(&json!({"type": "ExternalName", "externalName": "greeter.example.com"}));
    let named = spec(&json!({"ports": [{"name": "grpc", "port": 80, "targetPort": "rpc"}]}));
    let forbidden = json!({"kind": "Status", "code": 403, "message": "no"});
    for (slice, service, expected) in [
        (
            Value::Null,
            &external,
            "greeter.shop stands for greeter.example.com (ExternalName) and has no endpoints: dial that name instead",
        ),
        (
            Value::Null,
            &forbidden,
            "greeter.shop has no endpoints: is there a Service of this name, and a pod behind it?",
        ),
        (
            slice("IPv4", "10.0.0.1", &Value::Null),
            &named,
            "the port grpc of the Service greeter.shop has the targetPort \"rpc\", which no container of its pods has",
        ),
        (
            slice(
                "FQDN",
                "greeter.example.com",
                &json!([{"name": "grpc", "port": 80}]),
            ),
            &named,
            "the endpoints of greeter.shop are names (addressType FQDN)",
        ),
    ] {
        let target = "kubernetes:///greeter.shop:grpc";
        let address = format!("--server_address={target}");
        for command in [
            &["resolve", target][..],
            &["probe", "--server_name=greeter", &address],
        ] {
            let told = told(command, &slice, service).await;
            assert!(told.contains(expected), "{command:?}: {told}");
        }
    }
}
