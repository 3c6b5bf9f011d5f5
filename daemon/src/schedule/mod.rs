//! When the daemon fetches which feed.
//!
//! [`timetable`] decides what is due, from times and random numbers that it is given. [`task`] waits and starts runs.
//! What a run does is in `service/feed_runs`.

mod pause;
mod task;
mod timetable;

pub(crate) use pause::{Ending, next_run_ms};
pub(crate) use task::{random, run_feeds};
pub(crate) use timetable::Wanted;
