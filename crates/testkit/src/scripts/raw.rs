//! Servers that send given bytes.

use std::sync::Arc;

use tokio::io::AsyncWriteExt as _;

use super::until_closed;
use crate::frames;
use crate::service::Script;

/// Returns a server that speaks first, then waits until the peer hangs up.
pub fn speaking_first(bytes: impl Into<Vec<u8>>) -> Script {
    let bytes: Arc<[u8]> = bytes.into().into();
    Script::new(move |mut stream| {
        let bytes = Arc::clone(&bytes);
        async move {
            let _ = stream.write_all(&bytes).await;
            until_closed(&mut stream).await;
        }
    })
}

/// Returns an HTTP/2 server that sends the first bytes at once and the others after the first call,
/// then waits until the peer hangs up.
pub fn http2(at_once: impl Into<Vec<u8>>, on_call: impl Into<Vec<u8>>) -> Script {
    let bytes: Arc<(Vec<u8>, Vec<u8>)> = Arc::new((at_once.into(), on_call.into()));
    Script::new(move |mut stream| {
        let bytes = Arc::clone(&bytes);
        async move {
            let _ = stream.write_all(&bytes.0).await;
            if frames::read_call(&mut stream).await.is_some() {
                let _ = stream.write_all(&bytes.1).await;
            }
            until_closed(&mut stream).await;
        }
    })
}

/// Returns a gRPC server that sends SETTINGS at once and these bytes after the first call.
pub fn call_answered_by(bytes: impl Into<Vec<u8>>) -> Script {
    http2(frames::settings(&[]), bytes)
}

/// Returns a server that accepts connections and sends nothing.
pub fn silent() -> Script {
    Script::new(|mut stream| async move { until_closed(&mut stream).await })
}
