//! Streams as bytes, and one as it comes from a server.

use bytes::BytesMut;
use hyper::client::conn::http2;
use hyper_util::rt::{TokioExecutor, TokioIo};
use tokio::sync::mpsc;
use tokio::time::Instant;

use super::*;

fn not(why: &str) -> HealthStatus {
    HealthStatus::Not(why.to_owned())
}

#[test]
fn a_message_counts_when_it_is_whole_however_it_comes() {
    let stream = b"\0\0\0\0\x02\x08\x02\0\0\0\0\x02\x08\x01\0\0\0\0\0\0\0\0\0\x02\x08\x03";
    let expected = [
        not("says NOT_SERVING"),
        HealthStatus::Serving,
        not("says UNKNOWN"),
        not("says SERVICE_UNKNOWN"),
    ];
    for at_once in 1..=stream.len() {
        let mut messages = Messages::default();
        let mut said = Vec::new();
        for part in stream.chunks(at_once) {
            messages.0.extend(part);
            while let Some(next) = messages.next().unwrap() {
                said.push(next);
            }
        }
        assert_eq!(said, expected, "{at_once}");
    }
}

#[test]
fn what_is_no_status_is_refused() {
    for (bytes, why) in [
        (&b"\x01\0\0\0\x02\x08\x01"[..], "compressed"),
        (b"\0\0\x01\0\0", "longer"),
        (b"\0\xff\xff\xff\xff", "longer"),
        (b"\0\0\0\0\x02\x0a\x09", "no HealthCheckResponse"),
    ] {
        let refused = Messages(bytes.to_vec()).next().unwrap_err();
        assert!(refused.contains(why), "{bytes:?}: {refused}");
    }
}

#[test]
fn a_stream_that_is_not_implemented_is_the_only_end_that_is_well() {
    let ends = |status: u16, code: Option<&str>| {
        let code = code.map(|code| (header::HeaderName::from_static("grpc-status"), code));
        let headers = code.map(|(name, code)| (name, code.parse().unwrap()));
        ended(
            StatusCode::from_u16(status).unwrap(),
            &headers.into_iter().collect(),
            true,
        )
    };
    for (status, code, expected) in [
        (200, Some("12"), None),
        (404, None, None),
        (200, Some("0"), Some("its health is told no more: Ok")),
        (200, Some("5"), Some("its health is told no more: NotFound")),
        (
            404,
            Some("14"),
            Some("its health is told no more: Unavailable"),
        ),
        (200, None, Some("HTTP 200 without grpc-status")),
        (503, None, Some("HTTP 503 without grpc-status")),
    ] {
        let expected = expected.map_or(Ended::Unimplemented, |why| Ended::Broken {
            why: why.to_owned(),
            had_said: true,
        });
        assert_eq!(ends(status, code), expected, "{status} {code:?}");
    }
}

/// Scripts a server that acts after each of these waits, once it was called.
#[derive(Clone, Copy, Debug)]
enum Does {
    Head,
    Say(&'static [u8]),
    Reset,
}

/// Follows a stream of a server that does this; what was said, how it ended, and after how
/// many seconds.
async fn followed(script: &[(u64, Does)]) -> (Vec<HealthStatus>, Ended, u64) {
    let (ours, theirs) = tokio::io::duplex(1 << 16);
    let serving = async {
        let mut connection = h2::server::handshake(theirs).await.unwrap();
        let (request, mut respond) = connection.accept().await.unwrap().unwrap();
        let path = request.uri().path().to_owned();
        let mut body = None;
        let script = async {
            for (seconds, does) in script {
                time::sleep(Duration::from_secs(*seconds)).await;
                match (does, &mut body) {
                    (Does::Head, body) => {
                        let head = http::Response::new(());
                        *body = Some(respond.send_response(head, false).unwrap());
                    }
                    (Does::Say(bytes), Some(body)) => {
                        body.send_data(BytesMut::from(*bytes).freeze(), false)
                            .unwrap();
                    }
                    (_, Some(body)) => body.send_reset(h2::Reason::INTERNAL_ERROR),
                    (_, None) => respond.send_reset(h2::Reason::REFUSED_STREAM),
                }
            }
            std::future::pending::<()>().await;
        };
        tokio::select! {
            () = script => {}
            _ = std::future::poll_fn(|cx| connection.poll_closed(cx)) => {}
        }
        assert_eq!(path, "/grpc.health.v1.Health/Watch");
    };
    let asking = async {
        let builder = http2::Builder::new(TokioExecutor::new());
        let (mut requests, connection) = builder.handshake(TokioIo::new(ours)).await.unwrap();
        let driving = tokio::spawn(connection);
        let authority = http::uri::Authority::from_static("greeter.shop");
        let health = Health::new("greeter".to_owned(), &http::uri::Scheme::HTTP, &authority);
        let (tell, mut told) = mpsc::unbounded_channel();
        let started = Instant::now();
        let ended = health
            .follow(&mut requests, |said| tell.send(said).unwrap())
            .await;
        drop((requests, tell));
        driving.abort();
        let mut said = Vec::new();
        while let Some(next) = told.recv().await {
            said.push(next);
        }
        (said, ended, started.elapsed().as_secs())
    };
    tokio::select! {
        followed = asking => followed,
        () = serving => unreachable!("the server must go on"),
    }
}

#[tokio::test(start_paused = true)]
async fn only_the_first_word_must_come_in_time() {
    const SERVING: &[u8] = b"\0\0\0\0\x02\x08\x01";
    let late = "says nothing of its health within 10s";
    let hour = 3_600;
    for (script, said, why, had_said, seconds) in [
        (&[][..], 0, late, false, 10),
        (&[(0, Does::Head)], 0, late, false, 10),
        (
            &[(0, Does::Head), (9, Does::Say(b"\0\0"))],
            0,
            late,
            false,
            10,
        ),
        (&[(3, Does::Reset)], 0, "refused stream", false, 3),
        (
            &[
                (0, Does::Head),
                (9, Does::Say(SERVING)),
                (hour, Does::Say(SERVING)),
                (hour, Does::Reset),
            ],
            2,
            "internal error",
            true,
            2 * hour + 9,
        ),
    ] {
        let (told, ended, took) = followed(script).await;
        assert_eq!(told, vec![HealthStatus::Serving; said], "{script:?}");
        let Ended::Broken {
            why: found,
            had_said: had,
        } = ended
        else {
            panic!("{ended:?}: {script:?}");
        };
        assert!(found.contains(why), "{script:?}: {found}");
        assert_eq!((had, took), (had_said, seconds), "{script:?}");
    }
}
