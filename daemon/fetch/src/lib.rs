//! Fetches what sources publish, so that `feeds import` can read it from the site's own disk.
//!
//! A [`Plan`] is data: the addresses of a source and the order in which they are read. One executor,
//! [`Fetcher::run`], runs every plan. It puts documents into an empty folder and returns what they are
//! ([`Fetched`]), with the [`Position`] from which the next run goes on. It imports nothing and keeps nothing: the
//! caller stores the position after the import was committed, so a run that is killed anywhere is repeated and loses
//! nothing.
//!
//! Data from servers is not trusted. Every size is bounded, names never leave the folder, and an answer that
//! is shorter than announced is an error, never a smaller source.
//!
//! Other crates decide when a feed runs, who authors its records, and what the documents mean (`starling-feeds`).

mod address;
mod archive;
mod clock;
mod error;
mod fetched;
mod fetcher;
mod http;
mod key_file;
mod list;
mod names;
mod plan;
mod position;
mod preset;
pub mod raw;
mod redact;
mod run;
mod settings;
mod verify;

pub use address::lacks_scheme;
pub use clock::{Clock, SystemClock, Wait};
pub use error::{FetchError, PlanError};
pub use fetched::{Document, Fetched, Gone, Progress};
pub use fetcher::{Fetcher, Run};
pub use key_file::read_key_file;
pub use plan::Plan;
pub use position::{Position, PositionError};
pub use preset::{Access, Preset, preset, preset_of_file, presets};
pub use settings::{Limits, ProxySettings, Settings};
