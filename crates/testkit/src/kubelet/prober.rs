//! A kubelet that probes all the time, and how long the answers took.

use std::fmt;
use std::net::SocketAddr;
use std::time::Duration;

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio::runtime::Builder;
use tokio::sync::{oneshot, watch};
use tokio::task::JoinHandle;
use tokio::time::{self, Instant, MissedTickBehavior};

use super::{ANYTHING, TIMEOUT, request};

/// A prober of one path, from its start to its end.
#[derive(Debug)]
pub struct Prober {
    stop: oneshot::Sender<()>,
    answered: watch::Receiver<usize>,
    probing: JoinHandle<Vec<Result<Duration, String>>>,
}

/// The times that healthy answers took.
#[derive(Clone, Copy, Debug)]
pub struct Latencies {
    /// The number of probes.
    pub probes: usize,
    /// The median.
    pub p50: Duration,
    /// The 99th percentile.
    pub p99: Duration,
    /// The longest time.
    pub max: Duration,
}

// === impl Prober ===

impl Prober {
    /// Probes on a thread of its own, so that the work of the test is not measured.
    pub fn start(address: SocketAddr, path: &'static str, pause: Duration) -> Self {
        let (stop, mut stopped) = oneshot::channel();
        let (count, answered) = watch::channel(0);
        let runtime = Builder::new_current_thread().enable_all().build();
        let runtime = runtime.expect("a runtime must be startable");
        let probing = tokio::task::spawn_blocking(move || {
            runtime.block_on(async {
                let mut answers = Vec::new();
                let mut pause = time::interval(pause);
                pause.set_missed_tick_behavior(MissedTickBehavior::Delay);
                loop {
                    tokio::select! {
                        _ = &mut stopped => return answers,
                        _ = pause.tick() => {
                            answers.push(probe(address, path).await);
                            count.send_replace(answers.len());
                        }
                    }
                }
            })
        });
        Self {
            stop,
            answered,
            probing,
        }
    }

    /// Ends after at least so many probes, and panics if one of them was unhealthy or late.
    pub async fn end(mut self, at_least: usize) -> Latencies {
        let enough = self.answered.wait_for(|answered| *answered >= at_least);
        let enough = time::timeout(10 * TIMEOUT, enough).await;
        assert!(
            enough.is_ok_and(|enough| enough.is_ok()),
            "probing must go on"
        );
        let _ = self.stop.send(());
        let ended = time::timeout(2 * TIMEOUT, self.probing).await;
        let answers = ended
            .expect("the last probe must end")
            .expect("probing must not panic");
        let (times, wrong): (Vec<_>, Vec<_>) = answers.into_iter().partition(Result::is_ok);
        assert!(
            wrong.is_empty(),
            "{} of {}: {wrong:?}",
            wrong.len(),
            wrong.len() + times.len()
        );
        Latencies::of(times.into_iter().flatten().collect())
    }
}

/// Probes once, on a new connection.
async fn probe(address: SocketAddr, path: &str) -> Result<Duration, String> {
    let request = request(address, path, ANYTHING);
    let started = Instant::now();
    let exchange = async {
        let mut stream = TcpStream::connect(address).await?;
        stream.write_all(request.as_bytes()).await?;
        let mut answer = String::new();
        stream.read_to_string(&mut answer).await?;
        Ok::<_, std::io::Error>(answer)
    };
    match time::timeout(TIMEOUT, exchange).await {
        Ok(Ok(answer)) if answer.starts_with("HTTP/1.1 200 ") => Ok(started.elapsed()),
        Ok(Ok(answer)) => Err(answer),
        Ok(Err(error)) => Err(error.to_string()),
        Err(_) => Err(format!("no answer within {TIMEOUT:?}")),
    }
}

// === impl Latencies ===

impl Latencies {
    fn of(mut times: Vec<Duration>) -> Self {
        times.sort();
        let at = |percent: usize| {
            let place = (times.len() * percent / 100).min(times.len().saturating_sub(1));
            times.get(place).copied().expect("there must be probes")
        };
        Self {
            probes: times.len(),
            p50: at(50),
            p99: at(99),
            max: at(100),
        }
    }
}

impl fmt::Display for Latencies {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            probes,
            p50,
            p99,
            max,
        } = self;
        write!(
            f,
            "{probes:>5} probes, p50 {p50:>7.1?}, p99 {p99:>7.1?}, max {max:>7.1?}"
        )
    }
}
