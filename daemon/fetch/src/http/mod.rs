//! Sends the requests of one run, one after the other: at a limited rate, within limits, and repeated if that may
//! help.
//!
//! Reads a local file like a document on a server: it has a validator, may be missing, and has the same limits.

mod answer;
mod client;
mod download;
mod file;
mod guard;
mod headers;
mod session;

pub(crate) use answer::{Answer, Body, Renamed};
pub(crate) use client::{Secret, Trust};
pub(crate) use guard::Guard;
pub(crate) use headers::Links;
pub(crate) use session::{Request, Session, blocking};
