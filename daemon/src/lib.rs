//! One site's running parts: configuration, keys, the store's service, peers over QUIC, and the daemon that
//! wires them. Owns sockets, the clock and tasks; everything it decides with is in the pure crates below it.

pub mod config;
pub mod home;
mod clock;
mod convert;
mod logging;
mod net;
mod offline;
mod run;
mod service;
mod sync_task;

pub use convert::convert_store;
pub use offline::{Offline, open_offline, open_offline_on};
pub use run::{RunError, run, run_on};
