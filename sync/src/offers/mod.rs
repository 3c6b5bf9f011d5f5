//! One fetch for each source in a federation: which of the sites that offer to fetch it does, and which stand by.
//!
//! Every site decides for itself, from the offers in the logs that it holds and from what it observed of their authors
//! on its own clock. Nothing is voted on, and no message is sent for it. [`elect`] is the rule; [`Watch`] keeps what was
//! observed. If two sites decide differently for a while, both fetch: that costs hashes.

mod elect;
mod watch;

#[cfg(test)]
mod tests;

pub use elect::{Candidate, INTERVALS, PROBE_INTERVALS, Reason, Role, elect, is_healthy};
pub use watch::{LifeSign, OfferSeen, OwnFeed, Waited, Watch};
