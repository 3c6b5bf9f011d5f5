//! Requests of one run: one after the other, paced, bounded, repeated when that may help.
//!
//! A local file is asked for like a document on a server: it has a validator, may be missing, and is bounded alike.

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
