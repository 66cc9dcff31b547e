//! A counter that can be awaited.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use tokio::sync::Notify;

use crate::within;

/// A counter, such as of a service's calls. Its clones share one number.
#[derive(Clone, Debug, Default)]
pub struct Count(Arc<(AtomicUsize, Notify)>);

// === impl Count ===

impl Count {
    /// Adds one.
    pub fn add(&self) {
        self.0.0.fetch_add(1, Ordering::SeqCst);
        self.0.1.notify_waiters();
    }

    /// Returns the number.
    pub fn get(&self) -> usize {
        self.0.0.load(Ordering::SeqCst)
    }

    /// Waits until the number is at least this.
    pub async fn reaches(&self, at_least: usize) {
        let counted = async {
            loop {
                let more = self.0.1.notified();
                if self.get() >= at_least {
                    return;
                }
                more.await;
            }
        };
        within("the count", counted).await;
    }
}
