//! Fetches record bodies in pages that the memory bounds allow.
//!
//! Bodies are requested by claim number and verified by hash, so a peer can give the right bytes or none. A
//! body that no peer can give is reported and requested again later; it delays only the acceptance of its log.
//! The choice of peers is in `sources`.
//!
//! A missing body (`BodyPulls`):
//!
//! | state | event | next state | also |
//! |---|---|---|---|
//! | unlisted | the store takes more, and its log was looked at | queued | |
//! | queued | a peer that may have it is free | in flight | requests a page |
//! | queued | everyone who could have it was asked | unlisted | reports it once; listed again later, or when a peer has more |
//! | in flight | refusal, failure, time-out, the peer leaves, another body | queued | |
//! | in flight | it came | in flight | queues its write |
//! | in flight | stored | gone | accepts |
//! | in flight | the store failed | queued | |
//! | any | a certificate may have given its number to another claim | unlisted | a request or write goes on, but is not requeued |

mod ask;
mod list;
mod pulls;
mod sources;
mod take;
#[cfg(test)]
mod tests;

pub(crate) use self::pulls::{BodiesRequest, BodiesToStore, BodyPulls};
pub(crate) use self::sources::OtherBodies;
