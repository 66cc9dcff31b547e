//! The scenarios that need the whole cluster for themselves.

mod crowd;
mod outage;
