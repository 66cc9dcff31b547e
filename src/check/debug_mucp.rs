//! go-micro's `Debug.Health` over its own protocol, mucp: HTTP/1.1, with one connection for each
//! check.
//!
//! Each check opens a new connection, because servers since v1.9 key requests by connection and id,
//! and lose answers when either is reused too soon. The request uses no half-close and no
//! `Connection: close`. From v1.18 on the first loses nearly every answer; from v4.10 on the second
//! cancels the handler's context.

use std::io;
use std::sync::atomic::{AtomicU64, Ordering};

use http::HeaderValue;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::time::Instant;

use self::answer::{Answer, Progress};
use crate::check::head::Head;
use crate::check::unhealthy::Unhealthy;
use crate::net::dial::Dialer;
use crate::net::no_connection::{Http, NoConnection};
use crate::net::stream::Stream;

pub(crate) mod answer;

/// The id of the next request, unique in this process because servers key answers by it.
static NEXT_ID: AtomicU64 = AtomicU64::new(1);

/// Calls `Debug.Health` once. The caller bounds the time; dropping the future closes the
/// connection.
pub(crate) async fn call(
    dialer: &Dialer,
    head: &Head,
    server_name: &str,
    deadline: Instant,
) -> Answer {
    let mut stream = match dialer.dial(Http::One, deadline).await {
        Ok(stream) => stream,
        Err(NoConnection::Unreachable(text)) => {
            return Answer::Failed(Unhealthy::Unreachable(text));
        }
        Err(NoConnection::Tls(text)) => return Answer::Failed(Unhealthy::Tls(text)),
        Err(NoConnection::OtherHttp(_)) => return Answer::Settings,
    };
    let id = NEXT_ID.fetch_add(1, Ordering::Relaxed);
    let left = deadline.saturating_duration_since(Instant::now());
    let request = request(head, server_name, id, left.as_nanos());
    let answer = exchange(&mut stream, &request).await;
    // A fault of the stream says more than the error that followed.
    let fault = stream.fault();
    stream.close().await;
    match (answer, fault.get()) {
        (answer @ Answer::Verdict(_), _) => answer,
        (_, Some(text)) => Answer::Failed(Unhealthy::Tls(text)),
        (Answer::Closed(text), None) => Answer::Closed(fault.hint(text)),
        (answer, None) => answer,
    }
}

async fn exchange(stream: &mut Stream, request: &[u8]) -> Answer {
    if let Err(error) = stream.write_all(request).await {
        return lost(&[], &error);
    }
    let mut received = Vec::with_capacity(1024);
    loop {
        match answer::read(&received) {
            Progress::Incomplete => {}
            Progress::Complete(answer) => return answer,
        }
        match stream.read_buf(&mut received).await {
            Ok(0) => return lost(&received, &io::ErrorKind::UnexpectedEof.into()),
            Ok(_) => {}
            Err(error) => return lost(&received, &error),
        }
    }
}

fn lost(received: &[u8], error: &io::Error) -> Answer {
    if received.is_empty() {
        Answer::Closed(format!("closed without an answer: {error}").into())
    } else {
        Answer::Failed(Unhealthy::Unreachable(
            format!("the answer was cut short: {error}").into(),
        ))
    }
}

/// Builds the request that every release from v0.1 to v6 understands: the json-rpc envelope, with
/// both header families.
fn request(head: &Head, server_name: &str, id: u64, timeout_nanos: u128) -> Vec<u8> {
    let body = format!(r#"{{"method":"Debug.Health","params":[{{}}],"id":"{id}"}}"#);
    // No server checks the name, so a name that cannot stand in a header is left out.
    let service = |family: &str| {
        let fits = !server_name.chars().any(char::is_control);
        if fits {
            format!("{family}Micro-Service: {server_name}\r\n")
        } else {
            String::new()
        }
    };
    let micro = |family: &str| {
        format!(
            "{family}Micro-Method: Debug.Health\r\n\
             {family}Micro-Endpoint: Debug.Health\r\n\
             {family}Micro-Id: {id}\r\n{}",
            service(family),
        )
    };
    // Both are printable ASCII: the flags take nothing else.
    let text = |value: &HeaderValue| String::from_utf8_lossy(value.as_bytes()).into_owned();
    let metadata = head.metadata.iter();
    let metadata: Vec<_> = metadata
        .map(|(name, value)| format!("{name}: {}\r\n", text(value)))
        .collect();
    let request = format!(
        "POST / HTTP/1.1\r\n\
         Host: {authority}\r\n\
         User-Agent: {agent}\r\n\
         Content-Length: {length}\r\n\
         Content-Type: {JSON_RPC}\r\n\
         Accept: {JSON_RPC}\r\n\
         Timeout: {timeout_nanos}\r\n\
         {}{}{metadata}\r\n{body}",
        micro(""),
        micro("X-"),
        authority = head.authority,
        metadata = metadata.concat(),
        agent = text(&head.user_agent),
        length = body.len(),
        JSON_RPC = answer::JSON_RPC,
    );
    request.into_bytes()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::check::options::{Options, ServerName};

    fn request_text(metadata: &[&str], server_name: &str) -> String {
        let address = "localhost:9091".parse().unwrap();
        let mut options = Options::new(ServerName(server_name.to_owned()), address);
        options.metadata = metadata.iter().map(|pair| pair.parse().unwrap()).collect();
        String::from_utf8(request(&Head::new(&options), server_name, 7, 900_000_000)).unwrap()
    }

    #[test]
    fn metadata_becomes_headers() {
        let request = request_text(&["Authorization=Bearer x", "team=a", "team=b"], "greeter");
        assert!(
            request.contains("\r\nauthorization: Bearer x\r\nteam: a\r\nteam: b\r\n\r\n{"),
            "{request}"
        );
    }

    #[test]
    fn asks_in_both_header_families() {
        let request = request_text(&[], "greeter");
        assert_eq!(
            request,
            "POST / HTTP/1.1\r\nHost: localhost:9091\r\nUser-Agent: micro-health/0.1.0\r\nContent-Length: 48\r\n\
             Content-Type: application/json-rpc\r\nAccept: application/json-rpc\r\nTimeout: 900000000\r\n\
             Micro-Method: Debug.Health\r\nMicro-Endpoint: Debug.Health\r\nMicro-Id: 7\r\nMicro-Service: greeter\r\n\
             X-Micro-Method: Debug.Health\r\nX-Micro-Endpoint: Debug.Health\r\nX-Micro-Id: 7\r\nX-Micro-Service: greeter\r\n\
             \r\n{\"method\":\"Debug.Health\",\"params\":[{}],\"id\":\"7\"}"
        );
    }

    #[test]
    fn a_name_cannot_smuggle_a_header() {
        let request = request_text(&[], "a\r\nMicro-Topic: x");
        assert!(
            !request.contains("Topic") && !request.contains("Micro-Service"),
            "{request}"
        );
    }
}
