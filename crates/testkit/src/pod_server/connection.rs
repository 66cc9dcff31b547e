//! A connection of the API server.

use std::time::Duration;

use serde_json::json;
use tokio::io::AsyncWriteExt as _;
use tokio::net::TcpStream;
use tokio::time::{self, Instant};

use super::answer::{chunk, start_of_watch};
use super::{Answer, PodServer, Request, Verb, answer, version};
use crate::scripts::{read_request, until_closed};

// === impl PodServer ===

impl PodServer {
    /// Answers every request on a connection.
    pub(super) async fn serve(
        &self,
        mut stream: TcpStream,
        fault: &(impl Fn(&Request) -> Option<Answer> + Sync),
    ) {
        while let Some(request) = read_request(&mut stream).await {
            let request = String::from_utf8_lossy(&request).into_owned();
            let (head, body) = request.split_once("\r\n\r\n").unwrap_or_default();
            let line = head.lines().next().unwrap_or_default();
            let verb = match line {
                line if line.starts_with("PATCH ") => Verb::Patch,
                line if line.contains("watch=true") => Verb::Watch,
                line if line.contains("fieldSelector=") => Verb::List,
                _ => Verb::Get,
            };
            let received = Request {
                verb,
                at: Instant::now(),
            };
            self.0.requests.send_modify(|all| all.push(received));
            match fault(&received) {
                None if verb == Verb::Watch => return self.watch(stream, line).await,
                None => {
                    let Answer::Bytes(bytes) = self.answer(verb, body) else {
                        return;
                    };
                    let _ = stream.write_all(&bytes).await;
                }
                Some(Answer::Bytes(bytes)) => {
                    let _ = stream.write_all(&bytes).await;
                }
                Some(Answer::Cut(bytes)) => {
                    let _ = stream.write_all(&bytes).await;
                    return;
                }
                Some(Answer::Drip(bytes)) => {
                    for byte in bytes {
                        if stream.write_u8(byte).await.is_err() {
                            return;
                        }
                        time::sleep(Duration::from_secs(1)).await;
                    }
                }
                Some(Answer::Silence) => return until_closed(&mut stream).await,
            }
        }
    }

    fn answer(&self, verb: Verb, body: &str) -> Answer {
        let body = match verb {
            Verb::Patch => self.merge(&serde_json::from_str(body).expect("a patch must be JSON")),
            Verb::List => {
                let pod = self.pod();
                json!({"kind": "PodList", "metadata": {"resourceVersion": pod["metadata"]["resourceVersion"]}, "items": [pod]})
            }
            Verb::Get | Verb::Watch => self.pod(),
        };
        answer(
            "200 OK",
            "Content-Type: application/json\r\n",
            &body.to_string(),
        )
    }

    /// Sends every change since the version of the request.
    async fn watch(&self, mut stream: TcpStream, line: &str) {
        let from = line
            .split_once("resourceVersion=")
            .map_or("", |(_, rest)| rest);
        let from: String = from.chars().take_while(char::is_ascii_digit).collect();
        let mut sent: u64 = from.parse().expect("a watch must have a version");
        let mut changes = self.0.pod.subscribe();
        let _ = stream.write_all(&start_of_watch("")).await;
        loop {
            let now = version(&changes.borrow_and_update()["metadata"]["resourceVersion"]);
            if now > sent {
                sent = now;
                let event = json!({"type": "MODIFIED", "object": self.pod()});
                if stream
                    .write_all(chunk(&format!("{event}\n")).as_bytes())
                    .await
                    .is_err()
                {
                    return;
                }
            }
            tokio::select! {
                changed = changes.changed() => if changed.is_err() { return },
                () = until_closed(&mut stream) => return,
            }
        }
    }
}
