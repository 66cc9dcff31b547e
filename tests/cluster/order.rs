//! A native sidecar starts before the service and ends after it, and holds up no Job.

use std::time::Duration;

use k8s_openapi::api::batch::v1::Job;
use kube::api::ListParams;
use serde_json::{Value, json};
use tokio::time::{Instant, sleep, timeout};

use crate::rig::{KUBELET, LOOK_AGAIN, NAME, RunningPod, Scene, get, greeter, row, this_second};

/// In whole seconds, as the kubelet tells its times.
const EARLIER: i64 = 3;
const LATER: i64 = 3;

/// Well within that: the service was told to end and runs yet.
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
    let seen = pod.seen().await;
    let ahead = seen.started("greeter").unwrap() - seen.started("health").unwrap();
    assert!(
        ahead >= EARLIER,
        "the greeter was started {ahead} s after its sidecar"
    );

    // While the service ends, its health is still told.
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
        sleep(LOOK_AGAIN).await;
    }
    let seen = pod.gone().await.expect("the pod must have been there");
    let (greeter_ended, _) = seen.finished("greeter").unwrap_or_else(|| panic!("{seen}"));
    let (health_ended, code) = seen.finished("health").unwrap_or_else(|| panic!("{seen}"));
    assert!(greeter_ended - second >= LATER - 1, "{seen}");
    assert!(health_ended >= greeter_ended, "{seen}");
    assert_eq!(code, 0, "{seen}");
    let note = format!(
        "started {ahead} s ahead, /health 200 until {:.1} s after the deletion",
        last_answer.as_secs_f64()
    );
    row("native sidecar, first and last", None, &seen, &note);
    scene.close().await;
}

#[tokio::test]
async fn a_job_with_native_sidecars_completes() {
    let scene = Scene::beside_others("job").await;
    let mut template = greeter("v2.9.1-mucp");
    let spec = &mut template["spec"];
    spec["restartPolicy"] = json!("Never");
    // The greeter is a sidecar too. The work is one check of it, asked through grpc.health.v1.
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
            sleep(LOOK_AGAIN).await;
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
    let seen = pod
        .until("Succeeded", |seen| seen.phase() == "Succeeded")
        .await;
    let codes = ["work", "health"].map(|name| seen.finished(name).map(|(_, code)| code));
    assert_eq!(codes, [Some(0), Some(0)], "{seen}");
    row(
        "a Job completes",
        Some(took),
        &seen,
        "from creation to Complete, greeter and health as sidecars",
    );
    scene.close().await;
}
