//! An API server by script under a real `kube::Client`: no socket, and every request is kept.

mod object;
mod reply;
mod request;
mod stored_pod;

use std::collections::VecDeque;
use std::pin::Pin;
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll};

use http::Response;
use http_body_util::BodyExt as _;
use kube::client::Body;

pub use self::object::{greeter_pod, pod, unregistered_pod};
pub use self::reply::{End, Reply, event, gone, list, refused};
pub use self::request::{Request, RequestLog};
pub use self::stored_pod::client_with_pod;

/// The namespace of every client.
pub const NAMESPACE: &str = "demo";

type Answer = Arc<Mutex<dyn FnMut(&Request) -> Reply + Send>>;

/// The service under the client.
#[derive(Clone)]
struct Script {
    log: RequestLog,
    answer: Answer,
}

/// Returns a client whose API server answers by this function, and the log of its requests.
pub fn client(
    answer: impl FnMut(&Request) -> Reply + Send + 'static,
) -> (kube::Client, RequestLog) {
    let log = RequestLog::default();
    let script = Script {
        log: log.clone(),
        answer: Arc::new(Mutex::new(answer)),
    };
    (kube::Client::new(script, NAMESPACE), log)
}

/// Returns a client whose API server gives one reply after the other, and the last one again and
/// again.
pub fn client_in_order(replies: impl IntoIterator<Item = Reply>) -> (kube::Client, RequestLog) {
    let mut replies: VecDeque<_> = replies.into_iter().collect();
    let mut last = refused(500, "the script has no answer");
    client(move |_| {
        if let Some(reply) = replies.pop_front() {
            last = reply;
        }
        last.clone()
    })
}

// === impl Script ===

impl tower_service::Service<http::Request<Body>> for Script {
    type Response = Response<reply::Body>;
    type Error = kube::Error;
    type Future = Pin<Box<dyn Future<Output = Result<Self::Response, Self::Error>> + Send>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Self::Error>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: http::Request<Body>) -> Self::Future {
        let Self { log, answer } = self.clone();
        Box::pin(async move {
            let (head, body) = request.into_parts();
            let body = body.collect().await?.to_bytes();
            let request = Request::new(head, &body);
            let reply = {
                let mut answer = answer.lock().unwrap_or_else(PoisonError::into_inner);
                answer(&request)
            };
            log.push(request);
            let response = reply.response().await;
            response.map_err(|error| kube::Error::Service(error.into()))
        })
    }
}
