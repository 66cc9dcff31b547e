//! The HTTP/2 connection to the target, and the task that drives it.

use std::future::poll_fn;
use std::time::Duration;

use bytes::{Bytes, BytesMut};
use h2::client::SendRequest;
use http::Response;
use tokio::sync::oneshot;
use tokio::time::{self, Instant};

use crate::check::grpc::answer::{self, Answer};
use crate::check::grpc::call::{Call, CallError};
use crate::check::grpc::settings_detector::SettingsDetector;
use crate::net::dial::Dialer;
use crate::net::fair_stream::FairStream;
use crate::net::no_connection::Http;
use crate::net::stream::{Stream, TlsFault};

/// The time for a connection that is given up to send GOAWAY and FIN instead of RST.
const CLOSE: Duration = Duration::from_millis(100);

/// The largest header list that is read, in bytes: go-micro's trailers stay below 1 KiB.
const HEADER_LIST: u32 = 16 << 10;

/// The largest message that is read, in bytes; a health answer has a few.
const MESSAGE: usize = 64 << 10;

/// A connection to one target.
#[derive(Debug)]
pub(super) struct Connection {
    requests: SendRequest<Bytes>,
    fault: TlsFault,
    opened: Instant,
    /// The sender that ends the task when it is dropped with the connection.
    _open: oneshot::Sender<()>,
}

/// A call that failure, and whether the same call may succeed on a new connection.
pub(super) struct CallFailure {
    pub(super) error: CallError,
    pub(super) unprocessed: bool,
}

// === impl Connection ===

impl Connection {
    /// Dials and sends the preface, without waiting for the peer's.
    pub(super) async fn open(dialer: &Dialer, deadline: Instant) -> Result<Self, CallError> {
        let stream = dialer.dial(Http::Two, deadline).await?;
        let fault = stream.fault();
        let (requests, connection) = h2::client::Builder::new()
            .enable_push(false)
            .max_header_list_size(HEADER_LIST)
            .initial_window_size(64 << 10)
            .handshake(SettingsDetector::new(
                FairStream(stream),
                dialer.stages().clone(),
            ))
            .await
            .map_err(|error| CallError::Lost(error.to_string().into()).or_fault(&fault))?;
        let (open, closed) = oneshot::channel();
        tokio::spawn(drive(connection, closed));
        Ok(Self {
            requests,
            fault,
            opened: Instant::now(),
            _open: open,
        })
    }

    /// Returns the time since it was opened.
    pub(super) fn age(&self) -> Duration {
        self.opened.elapsed()
    }

    /// Makes one call.
    pub(super) async fn call(&mut self, call: &Call<'_>) -> Result<Answer, CallFailure> {
        let answer = self.try_call(call).await;
        // A fault of the stream says more than the error that h2 makes of it.
        answer.map_err(|failure| CallFailure {
            error: failure.error.or_fault(&self.fault),
            ..failure
        })
    }

    async fn try_call(&mut self, call: &Call<'_>) -> Result<Answer, CallFailure> {
        poll_fn(|cx| self.requests.poll_ready(cx))
            .await
            .map_err(|error| CallFailure::before_answer(&error))?;
        let (response, mut body) = self
            .requests
            .send_request(call.request(), false)
            .map_err(|error| CallFailure::before_answer(&error))?;
        // The five-byte prefix is sent even for an empty message: go-micro never
        // answers HEADERS with END_STREAM.
        body.send_data(call.framed(), true)
            .map_err(|error| CallFailure::before_answer(&error))?;
        let response = response
            .await
            .map_err(|error| CallFailure::before_answer(&error))?;
        read(response).await.map_err(|error| CallFailure {
            error,
            unprocessed: false,
        })
    }
}

/// The connection over a stream that notices SETTINGS.
type Http2 = h2::client::Connection<SettingsDetector<FairStream<Stream>>, Bytes>;

/// Runs the connection until it ends or its owner has dropped it.
async fn drive(mut connection: Http2, closed: oneshot::Receiver<()>) {
    tokio::select! {
        // The call that uses the connection reports how it ended.
        _ = &mut connection => {}
        _ = closed => {
            let _ = time::timeout(CLOSE, connection).await;
        }
    }
}

async fn read(response: Response<h2::RecvStream>) -> Result<Answer, CallError> {
    let (head, mut body) = response.into_parts();
    let mut message = BytesMut::new();
    while let Some(data) = body.data().await {
        let data = data.map_err(|error| CallError::from_h2(&error))?;
        if message.len() + data.len() > MESSAGE {
            return Err(CallError::NotGrpc(
                "the answer is larger than any health answer".into(),
            ));
        }
        message.extend_from_slice(&data);
        let _ = body.flow_control().release_capacity(data.len());
    }
    let trailers = body
        .trailers()
        .await
        .map_err(|error| CallError::from_h2(&error))?;
    answer::read(&head, trailers.as_ref(), &message).map_err(CallError::NotGrpc)
}

// === impl CallFailure ===

impl CallFailure {
    fn before_answer(cause: &h2::Error) -> Self {
        let error = CallError::from_h2(cause);
        let refused = cause.reason() == Some(h2::Reason::REFUSED_STREAM);
        Self {
            unprocessed: refused || matches!(error, CallError::Lost(_)),
            error,
        }
    }
}
