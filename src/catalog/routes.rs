//! Answers the read requests of the registry's API v1: (method, path, query) → (status, body).
//!
//! | request                                  | answer                                   |
//! |------------------------------------------|------------------------------------------|
//! | `GET /api/v1/services`                   | `{"services":["helloworld"]}`            |
//! | `GET /api/v1/services/NAME`              | its instances that are UP, 404 if none   |
//! | `GET /api/v1/instances?FILTERS&fields=…` | instances of all services                |
//! | `GET /`, `GET /uptime`                   | 200                                      |
//! | registering, renewing, deregistering     | 400: the catalog is read only            |
//!
//! Source: the registry v0.4.2 itself, built and run on the same API server. Of 41 requests,
//! 35 have the same status and body. The other requests differ in these points:
//!
//! - The registry did not mirror instances that are not UP. Here only `/instances` has them,
//!   because `a8ctl` does not read the status.
//! - The registry accepts writes for a second catalog of its own.
//! - The properties of `/uptime` are different.

use std::borrow::Cow;

use http::{Method, StatusCode};
use percent_encoding::percent_decode_str;
use serde_json::{Value, json};

use crate::catalog::endpoint::Status;
use crate::catalog::instance::{FIELDS, Instance};
use crate::catalog::services::Services;
use crate::catalog::table;

/// The registry's error for a write to its mirror of Kubernetes.
const READ_ONLY: &str = "Read-only Catalog: API Not Supported";

/// A status and a JSON body.
type Answer = (StatusCode, String);

/// The routes of the API.
#[derive(Debug, Eq, PartialEq)]
enum Route<'a> {
    Alive,
    Uptime,
    Services,
    Service(Cow<'a, str>),
    Instances,
    Write,
    Unknown,
    OtherMethod,
}

/// The criteria by which a request selects instances.
#[derive(Debug, Default)]
struct Filter<'a> {
    id: Option<Cow<'a, str>>,
    service: Option<Cow<'a, str>>,
    status: Option<Cow<'a, str>>,
    tags: Option<Cow<'a, str>>,
}

/// Returns the answer to a request.
pub(crate) fn answer(
    method: &Method,
    path: &str,
    query: Option<&str>,
    services: &Services,
) -> Answer {
    let ok = |body: String| (StatusCode::OK, body);
    match route(method, path) {
        Route::Alive => ok(String::new()),
        Route::Uptime => ok(json!({"UPTIME": {"healthy": true}}).to_string()),
        Route::Services => {
            let names: Vec<_> = services.all_up().map(|(name, _)| name).collect();
            ok(json!({ "services": names }).to_string())
        }
        Route::Service(name) => service(&name, services),
        Route::Instances => instances(query.unwrap_or_default(), services),
        Route::Write => error(StatusCode::BAD_REQUEST, READ_ONLY),
        Route::Unknown => error(StatusCode::NOT_FOUND, "Resource not found"),
        Route::OtherMethod => error(StatusCode::METHOD_NOT_ALLOWED, "Method not allowed"),
    }
}

fn route<'a>(method: &Method, path: &'a str) -> Route<'a> {
    let api = path.strip_prefix("/api/v1/").unwrap_or_default();
    let parts: Vec<_> = api.split('/').collect();
    let (of, then) = match (path, &parts[..]) {
        ("/", _) => (Method::GET, Route::Alive),
        ("/uptime", _) => (Method::GET, Route::Uptime),
        (_, ["services"]) => (Method::GET, Route::Services),
        (_, ["services", name]) if !name.is_empty() => {
            let name = percent_decode_str(name).decode_utf8_lossy();
            (Method::GET, Route::Service(name))
        }
        (_, ["instances"]) if method == Method::POST => (Method::POST, Route::Write),
        (_, ["instances"]) => (Method::GET, Route::Instances),
        (_, ["instances", id]) if !id.is_empty() => (Method::DELETE, Route::Write),
        (_, ["instances", id, "heartbeat"]) if !id.is_empty() => (Method::PUT, Route::Write),
        _ => return Route::Unknown,
    };
    if *method == of {
        then
    } else {
        Route::OtherMethod
    }
}

fn service(name: &str, services: &Services) -> Answer {
    match services.up(name) {
        None => error(StatusCode::NOT_FOUND, "Failed to enumerate service names"),
        Some(up) if up.is_empty() => error(StatusCode::NOT_FOUND, "Service name not found"),
        Some(up) => {
            let all = up.into_iter().map(|instance| (name, instance));
            let (name, all) = (Value::from(name), table::list(all, &FIELDS));
            let body = format!(r#"{{"service_name":{name},"instances":[{all}]}}"#);
            (StatusCode::OK, body)
        }
    }
}

fn instances(query: &str, services: &Services) -> Answer {
    let bad = |text| error(StatusCode::BAD_REQUEST, text);
    let pairs: Vec<_> = query
        .split('&')
        .filter(|it| !it.is_empty())
        .map(pair)
        .collect();
    // The registry reads only the first value of a repeated name.
    let value = |name: &str| {
        pairs
            .iter()
            .find(|(key, _)| key == name)
            .map(|(_, value)| value)
    };
    let fields: Vec<&str> = match value("fields") {
        None => FIELDS.to_vec(),
        Some(none) if none.is_empty() => Vec::new(),
        Some(some) => some.split(',').collect(),
    };
    if fields.iter().any(|field| !FIELDS.contains(field)) {
        return bad("Undefined or malformed instance fields in filter");
    }
    // The registry compares only texts, and the other fields are none.
    let known = ["fields", "id", "service_name", "status", "tags"];
    if pairs.iter().any(|(name, _)| !known.contains(&&**name)) {
        return bad("Malformed or invalid instance selection criteria");
    }
    let filter = Filter {
        id: value("id").cloned(),
        service: value("service_name").cloned(),
        status: value("status").cloned(),
        tags: value("tags").cloned(),
    };
    let all = services.iter();
    let all = all.flat_map(|(name, instances)| instances.iter().map(move |it| (name, it)));
    let found = all.filter(|(name, instance)| filter.fits(name, instance));
    let body = format!(r#"{{"instances":[{}]}}"#, table::list(found, &fields));
    (StatusCode::OK, body)
}

/// Decodes a name and a value of an HTML form.
fn pair(text: &str) -> (Cow<'_, str>, Cow<'_, str>) {
    let decode = |text: &str| {
        let text = text.replace('+', " ");
        percent_decode_str(&text).decode_utf8_lossy().into_owned()
    };
    let (name, value) = text.split_once('=').unwrap_or((text, ""));
    (decode(name).into(), decode(value).into())
}

fn error(status: StatusCode, text: &str) -> Answer {
    (status, json!({ "Error": text }).to_string())
}

// === impl Filter ===

impl Filter<'_> {
    fn fits(&self, service: &str, instance: &Instance) -> bool {
        let is = |wanted: &Option<Cow<'_, str>>, value: &str| {
            wanted.as_ref().is_none_or(|wanted| wanted == value)
        };
        let has = |tag: &str| instance.tags.iter().any(|it| it == tag);
        let tags = self.tags.as_ref();
        is(&self.id, &instance.id)
            && is(&self.service, service)
            && tags.is_none_or(|tags| tags.split(',').all(has))
            && self.fits_status(instance.status)
    }

    /// Decides whether the status fits. An instance that is not UP needs a filter, by status or
    /// by another field.
    fn fits_status(&self, status: Status) -> bool {
        match &self.status {
            Some(wanted) if wanted.eq_ignore_ascii_case("ALL") => true,
            Some(wanted) => wanted.eq_ignore_ascii_case(status.as_str()),
            None => {
                let by_other = self.id.is_some() || self.service.is_some() || self.tags.is_some();
                by_other || status == Status::Up
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;
    use crate::catalog::endpoint::{Endpoint, Kind, Pod};
    use crate::catalog::version::Source;

    /// Returns helloworld with a v1 that is UP and a v2 that is STARTING. The service late has
    /// no instance that clients may call.
    fn services() -> Services {
        let endpoint = |pod: &str, address: &str, status| Endpoint {
            address: address.parse().unwrap(),
            kind: Kind::Tcp,
            app_protocol: None,
            status,
            pod: Some(Pod {
                name: pod.to_owned(),
                uid: Some("u".to_owned()),
            }),
        };
        let helloworld = [
            endpoint("h-v1-a", "10.0.0.1:5001", Status::Up),
            endpoint("h-v2-b", "10.0.0.2:5002", Status::Starting),
        ];
        let late = [endpoint("l-v1-a", "10.0.0.3:5003", Status::OutOfService)];
        let all = [("helloworld", &helloworld[..]), ("late", &late[..])];
        Services::new(all, &BTreeMap::new(), &[Source::Owner])
    }

    fn answer_to(request: &str) -> (u16, String) {
        let (method, uri) = request.split_once(' ').unwrap();
        let (path, query) = match uri.split_once('?') {
            Some((path, query)) => (path, Some(query)),
            None => (uri, None),
        };
        let (status, body) = answer(&method.parse().unwrap(), path, query, &services());
        (status.as_u16(), body)
    }

    const V1: &str = r#"{"id":"u-5001","service_name":"helloworld","endpoint":{"type":"tcp","value":"10.0.0.1:5001"},"status":"UP","last_heartbeat":"0001-01-01T00:00:00Z","tags":["v1","kubernetes"]}"#;

    #[test]
    fn whatever_is_read_has_the_registrys_json() {
        let one = format!(r#"{{"service_name":"helloworld","instances":[{V1}]}}"#);
        for (request, status, body) in [
            ("GET /", 200, ""),
            ("GET /uptime", 200, r#"{"UPTIME":{"healthy":true}}"#),
            (
                "GET /api/v1/services",
                200,
                r#"{"services":["helloworld"]}"#,
            ),
            ("GET /api/v1/services/helloworld", 200, &*one),
            ("GET /api/v1/services/hello%77orld", 200, &*one),
            (
                "GET /api/v1/services/late",
                404,
                r#"{"Error":"Service name not found"}"#,
            ),
            (
                "GET /api/v1/services/nobody",
                404,
                r#"{"Error":"Failed to enumerate service names"}"#,
            ),
            (
                "GET /api/v1/instances",
                200,
                &format!(r#"{{"instances":[{V1}]}}"#),
            ),
            (
                "GET /api/v1/services/",
                404,
                r#"{"Error":"Resource not found"}"#,
            ),
            (
                "GET /api/v2/services",
                404,
                r#"{"Error":"Resource not found"}"#,
            ),
            ("GET /api/v1", 404, r#"{"Error":"Resource not found"}"#),
        ] {
            assert_eq!(answer_to(request), (status, body.to_owned()), "{request}");
        }
    }

    #[test]
    fn whatever_writes_is_refused() {
        let read_only = r#"{"Error":"Read-only Catalog: API Not Supported"}"#;
        let other = r#"{"Error":"Method not allowed"}"#;
        for (request, status, body) in [
            ("POST /api/v1/instances", 400, read_only),
            ("DELETE /api/v1/instances/u-5001", 400, read_only),
            ("PUT /api/v1/instances/u-5001/heartbeat", 400, read_only),
            ("PUT /api/v1/instances/u-5001", 405, other),
            ("GET /api/v1/instances/u-5001", 405, other),
            ("DELETE /api/v1/instances", 405, other),
            ("POST /api/v1/services", 405, other),
            ("HEAD /api/v1/services", 405, other),
            (
                "PUT /api/v1/instances/a/b",
                404,
                r#"{"Error":"Resource not found"}"#,
            ),
        ] {
            assert_eq!(answer_to(request), (status, body.to_owned()), "{request}");
        }
    }

    #[test]
    fn filters_find_instances() {
        for (query, expected) in [
            ("", "5001"),
            ("status=UP", "5001"),
            ("status=up", "5001"),
            ("status=STARTING", "5002"),
            ("status=Out_of_service", "5003"),
            ("status=ALL", "5001 5002 5003"),
            ("status=", ""),
            ("status=BUSY", ""),
            // Another filter includes instances of every status.
            ("service_name=helloworld", "5001 5002"),
            ("service_name=helloworld&status=UP", "5001"),
            ("service_name=late", "5003"),
            ("service_name=nobody", ""),
            ("tags=v1", "5001 5003"),
            ("tags=kubernetes,v1", "5001 5003"),
            ("tags=v1%2Ckubernetes&service_name=helloworld", "5001"),
            ("tags=v1,v2", ""),
            ("tags=", ""),
            ("id=u-5002", "5002"),
            ("id=u-5002&id=u-5001", "5002"),
            ("status=ALL&tags=v2", "5002"),
        ] {
            let (status, body) = answer_to(&format!("GET /api/v1/instances?{query}"));
            let found: Value = serde_json::from_str(&body).unwrap();
            let found = found["instances"].as_array().unwrap().iter();
            let ports = found.filter_map(|it| it["id"].as_str()?.strip_prefix("u-"));
            let ports: Vec<_> = ports.collect();
            assert_eq!((status, &*ports.join(" ")), (200, expected), "{query}");
        }
    }

    #[test]
    fn fields_are_chosen_and_mistakes_refused() {
        let endpoint = r#""endpoint":{"type":"tcp","value":"10.0.0.1:5001"}"#;
        for (query, expected) in [
            ("fields=", format!(r#"{{"id":"u-5001",{endpoint}}}"#)),
            (
                "fields=tags,service_name",
                format!(
                    r#"{{"id":"u-5001","service_name":"helloworld",{endpoint},"tags":["v1","kubernetes"]}}"#
                ),
            ),
            (
                "fields=ttl,links,metadata",
                format!(r#"{{"id":"u-5001",{endpoint}}}"#),
            ),
        ] {
            let expected = format!(r#"{{"instances":[{expected}]}}"#);
            let found = answer_to(&format!("GET /api/v1/instances?{query}"));
            assert_eq!(found, (200, expected), "{query}");
        }
        let fields = r#"{"Error":"Undefined or malformed instance fields in filter"}"#;
        let criteria = r#"{"Error":"Malformed or invalid instance selection criteria"}"#;
        for (query, expected) in [
            ("fields=age", fields),
            ("fields=id,,tags", fields),
            ("fields=age&age=1", fields),
            ("age=1", criteria),
            ("endpoint=10.0.0.1:5001", criteria),
            ("ttl=0", criteria),
            ("metadata={}", criteria),
        ] {
            let found = answer_to(&format!("GET /api/v1/instances?{query}"));
            assert_eq!(found, (400, expected.to_owned()), "{query}");
        }
    }
}
