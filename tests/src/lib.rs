//! The tools of the end-to-end checks: sites that run as real `starling` processes in separate folders,
//! handwritten feeds, and expectations that are computed without the daemon's code.
//!
//! | module | what it does |
//! |---|---|
//! | [`program`] | finds the `starling` executable, building it when it is older than its sources |
//! | [`process`] | one command to its end; one daemon until it is stopped, killed or dropped |
//! | [`server`] | a source's server, which behaves and misbehaves as it is told |
//! | [`site`] | a site driven through the command line and its socket alone |
//! | [`http`] | the smallest HTTP client that reads answers and event streams |
//! | [`feed`] | advisories and folders of them, written by hand |
//! | [`stream`] | the corpus's streams: a source's tree, and what each day changed |
//! | [`folders`] | copies, lists and measures folders |
//! | [`options`] | the command-line options of the fault-finding checks |
//! | [`tally`] | counts the outcomes of rounds and names those that failed |
//! | [`tree`] | the expected content of a site that imported a folder, computed without the feed parser |
//!
//! All code waits for states with a deadline; none waits for a time to pass.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "a harness fails its test by panicking, with what it saw"
)]

pub mod feed;
pub mod folders;
pub mod http;
pub mod options;
pub mod process;
pub mod program;
pub mod server;
pub mod site;
pub mod stream;
pub mod tally;
pub mod tree;

pub use process::Ended;
pub use site::{Site, link, number_of};
