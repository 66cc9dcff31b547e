//! An API server that stores one pod.

use serde_json::Value;

use super::{Reply, RequestLog, client, list, refused};
use crate::json::merge;

/// Returns a client whose API server has this pod, applies patches to it, and answers 403 to the
/// forbidden verbs.
pub fn client_with_pod(
    mut pod: Value,
    forbidden: &'static [&'static str],
) -> (kube::Client, RequestLog) {
    client(move |request| {
        let name = pod["metadata"]["name"]
            .as_str()
            .unwrap_or_default()
            .to_owned();
        let is_named = request.path.ends_with(&format!("/pods/{name}"));
        let verb = match request.method.as_str() {
            "GET" if request.path.ends_with("/pods") => "list",
            "GET" => "get",
            _ => "patch",
        };
        if forbidden.contains(&verb) {
            let sentence = format!(
                "pods \"{name}\" is forbidden: User \"system:serviceaccount:demo:cli\" cannot {verb} resource \"pods\" in API group \"\" in the namespace \"demo\""
            );
            return refused(403, &sentence);
        }
        if verb == "list" {
            let is_requested = request.query("fieldSelector") == format!("metadata.name={name}");
            return list("7", is_requested.then(|| pod.clone()));
        }
        if !is_named {
            return refused(404, "pods not found");
        }
        if verb == "patch" {
            assert_eq!(request.body["metadata"]["uid"], pod["metadata"]["uid"]);
            merge(&mut pod, &request.body);
        }
        Reply::Json(200, pod.clone())
    })
}
