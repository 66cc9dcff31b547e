//! The behaviour of a service.

use std::fmt;
use std::sync::Arc;

use futures_util::future::BoxFuture;
use tokio::net::TcpStream;

/// The behaviour of a service on one connection.
#[derive(Clone)]
pub struct Script(Arc<dyn Fn(TcpStream) -> BoxFuture<'static, ()> + Send + Sync>);

// === impl Script ===

impl Script {
    /// Makes a script of a function, which is called once for each connection.
    pub fn new<F>(script: impl Fn(TcpStream) -> F + Send + Sync + 'static) -> Self
    where
        F: Future<Output = ()> + Send + 'static,
    {
        Self(Arc::new(move |stream| Box::pin(script(stream))))
    }

    /// Runs the script on a connection.
    pub async fn play(&self, stream: TcpStream) {
        (self.0)(stream).await;
    }
}

impl fmt::Debug for Script {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Script")
    }
}
