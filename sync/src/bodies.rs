//! Fetches record bodies in pages that the memory bounds allow.
//!
//! Bodies are requested by claim number and verified by hash, so a peer can give the right bytes or none. A
//! body that no peer can give is reported and requested again later; it delays only the acceptance of its log.
//! The choice of peers is in `body_sources`.

mod ask;
mod list;
mod pulls;
mod take;
#[cfg(test)]
mod tests;

pub(crate) use self::pulls::{BodiesRequest, BodyPulls};
