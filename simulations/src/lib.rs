//! Seeded worlds of many sites: events are data, invariants are checked.
//!
//! A [`World`] runs the sync engines of all sites in one event loop over simulated time, with the network,
//! crashes and misbehaviour that a [`Scenario`] describes. The invariants are checked after events; at the end
//! the honest sites must agree. One scenario and one seed always give the same run, byte for byte.

mod dialling;
mod faults;
mod feeds;
mod invariants;
mod mischief;
mod network;
mod report;
mod run;
mod scenario;
mod site;
mod stores;
mod traffic;
mod workload;
mod world;

pub use mischief::Mischief;
pub use report::{BrokenInvariant, Report};
pub use run::{run, run_twice};
pub use scenario::{
    Byzantine, Faults, FeedScenario, Listing, Range, Scenario, ScenarioError, StoreKind, Topology, Traffic,
};
pub use world::World;
