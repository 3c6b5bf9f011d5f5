//! What the end-to-end checks are made with: sites that run as real `starling` processes in folders of
//! their own, feeds written by hand, and the expectations that no code of the daemon takes part in.
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
//! | [`options`] | what a check that looks for faults is asked for on its command line |
//! | [`tally`] | counts what rounds ended with and names those that failed |
//! | [`tree`] | what a site must hold when it has taken in a folder, told without the feed parser |
//!
//! Everything waits for states with a deadline; nothing waits for a time to pass.

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
