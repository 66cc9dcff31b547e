//! The order of a native sidecar: it starts before the service, ends after it, and does not delay
//! a Job.

use std::time::Duration;

use k8s_openapi::api::batch::v1::Job;
use kube::api::ListParams;
use serde_json::{Value, json};
use tokio::time::{Instant, sleep, timeout};

use crate::rig::{KUBELET, NAME, POLL, RunningPod, Scene, get, greeter, row, this_second};

/// The least difference of the start times, in whole seconds as the kubelet reports them.
const EARLIER: i64 = 3;
const LATER: i64 = 3;

/// A moment at which the service has its SIGTERM and still runs.
const ENDING: Duration = Duration::from_secs(2);

#[tokio::test]
async fn a_native_sidecar_starts_first_and_ends_last() {
    let scene = Scene::beside_others("order").await;
    let mut manifest = greeter("v5.30.0-mucp");
    let spec = &mut manifest["spec"];
    spec["terminationGracePeriodSeconds"] = json!(20);
    spec["initContainers"][0]["startupProbe"]["initialDelaySeconds"] = json!(EARLIER);
    spec["containers"][0]["lifecycle"] = json!({ "preStop": { "sleep": { "seconds": LATER } } });
    let pod = scene.ready_pod("greeter", manifest).await;
    let state = pod.state().await;
    let ahead = state.started("greeter").unwrap() - state.started("health").unwrap();
    assert!(
        ahead >= EARLIER,
        "the greeter was started {ahead} s after its sidecar"
    );

    // While the service ends, the sidecar still reports its health.
    let address = pod.address(8081).await;
    let deleted = Instant::now();
    let second = this_second();
    pod.delete().await;
    let mut last_answer = Duration::ZERO;
    while deleted.elapsed() < ENDING {
        let (status, body) = get(address, "/health").await;
        assert_eq!(
            (status, &*body),
            (200, "OK"),
            "after {:?}",
            deleted.elapsed()
        );
        last_answer = deleted.elapsed();
        sleep(POLL).await;
    }
    let state = pod.gone().await.expect("the pod must have been there");
    let (greeter_ended, _) = state
        .finished("greeter")
        .unwrap_or_else(|| panic!("{state}"));
    let (health_ended, code) = state
        .finished("health")
        .unwrap_or_else(|| panic!("{state}"));
    assert!(greeter_ended - second >= LATER - 1, "{state}");
    assert!(health_ended >= greeter_ended, "{state}");
    assert_eq!(code, 0, "{state}");
    let note = format!(
        "started {ahead} s ahead, /health 200 until {:.1} s after the deletion",
        last_answer.as_secs_f64()
    );
    row("native sidecar, first and last", None, &state, &note);
    scene.close().await;
}

#[tokio::test]
async fn a_job_with_native_sidecars_completes() {
    let scene = Scene::beside_others("job").await;
    let mut template = greeter("v2.9.1-mucp");
    let spec = &mut template["spec"];
    spec["restartPolicy"] = json!("Never");
    // The greeter is a sidecar too. The work of the Job is one check of it over grpc.health.v1.
    let mut service = spec["containers"][0].take();
    service["restartPolicy"] = json!("Always");
    let mut work = spec["initContainers"][0].clone();
    for field in ["restartPolicy", "startupProbe", "livenessProbe"] {
        work[field] = Value::Null;
    }
    work["name"] = json!("work");
    work["args"] = json!([
        "probe",
        "--protocol=grpc-health",
        format!("--server_name={NAME}"),
        "--server_address=localhost:8081"
    ]);
    spec["initContainers"].as_array_mut().unwrap().push(service);
    spec["containers"] = json!([work]);
    let job = json!({ "metadata": { "name": "work" }, "spec": { "backoffLimit": 0, "template": template } });
    let started = Instant::now();
    let _: Job = scene.namespace.create(job).await;

    let jobs = scene.namespace.all::<Job>();
    let mut last = String::new();
    let complete = timeout(KUBELET, async {
        loop {
            let job = jobs.get("work").await.expect("the job must exist");
            last = format!("{:?}", job.status);
            let conditions = job
                .status
                .and_then(|status| status.conditions)
                .unwrap_or_default();
            if conditions
                .iter()
                .any(|it| it.type_ == "Complete" && it.status == "True")
            {
                break;
            }
            sleep(POLL).await;
        }
    });
    let complete = complete.await;
    assert!(complete.is_ok(), "not complete after {KUBELET:?}: {last}");
    let took = started.elapsed();
    let pods = scene
        .namespace
        .all()
        .list(&ListParams::default())
        .await
        .unwrap();
    let [pod] = &pods.items[..] else {
        panic!("{pods:?}")
    };
    let pod = RunningPod::new(&scene.namespace, pod);
    let state = pod
        .until("Succeeded", |state| state.phase() == "Succeeded")
        .await;
    let codes = ["work", "health"].map(|name| state.finished(name).map(|(_, code)| code));
    assert_eq!(codes, [Some(0), Some(0)], "{state}");
    row(
        "a Job completes",
        Some(took),
        &state,
        "from creation to Complete, greeter and health as sidecars",
    );
    scene.close().await;
}
