//! What needs the whole cluster for itself.

mod crowd;
mod outage;
