//! A site's service without its daemon: effects, answers and refusals of calls.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a test fails by panicking")]

mod allow_list;
mod bench;
mod cpes;
mod damaged;
mod disputes;
mod followers;
mod giving_way;
mod imports;
mod indexes;
mod lookup;
mod mutes;
mod opening;
mod past;
mod readers;
mod revisions;
mod scan_policies;
mod scans;
mod space;
mod stores;
mod unreadable;
mod withdrawals;
