//! A Go registry's watcher.

use std::process::Stdio;
use std::time::Duration;

use tokio::io::{AsyncBufReadExt as _, BufReader, Lines};
use tokio::process::{Child, ChildStdout, Command};
use tokio::time::sleep;

use super::Service;
use super::go_service::Line;
use crate::within;

/// The time after the start of a watch in which most releases discard events.
const DEAF: Duration = Duration::from_millis(1500);

/// A running watch. It is killed with this value, and it ends with its standard input.
#[derive(Debug)]
pub struct GoWatch {
    lines: Lines<BufReader<ChildStdout>>,
    _child: Child,
}

/// An event of a watcher.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Event {
    /// The action: create, update or delete.
    pub action: String,
    /// The service.
    pub service: Service,
}

// === impl GoWatch ===

impl GoWatch {
    pub(super) async fn start(command: &mut Command) -> Self {
        let mut child = command
            .stdin(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .expect("a Go client must start");
        let stdout = child.stdout.take().expect("stdout must be piped");
        let mut watch = Self {
            lines: BufReader::new(stdout).lines(),
            _child: child,
        };
        let line = watch.line().await;
        assert_eq!(line.action, "watching", "{line:?}");
        sleep(DEAF).await;
        watch
    }

    /// Waits for the next event, or the error that `Next` returned.
    pub async fn next(&mut self) -> Result<Event, String> {
        let line = self.line().await;
        if !line.error.is_empty() {
            return Err(line.error);
        }
        let action = line.action.clone();
        let service = line.services().next();
        let service = service.expect("an event must have a service");
        Ok(Event { action, service })
    }

    async fn line(&mut self) -> Line {
        within("a watcher's next line", async {
            loop {
                let line = self.lines.next_line().await;
                let line = line.expect("a pipe must be readable");
                let line = line.expect("a watcher must print why it ends");
                // Some releases log to stdout.
                if line.starts_with('{') {
                    break line
                        .parse()
                        .unwrap_or_else(|error| panic!("{error}: {line}"));
                }
            }
        })
        .await
    }
}
