//! Tests of the engine seam: every engine is held to the same behaviour.

mod bed;
mod child;
mod conformance;
mod copies;
mod crash;
mod damage;
mod doubt;
mod faults;
mod folder;
mod full_disk;
mod model;
mod readers;
mod recorded;
mod snapshots;
mod steps;
mod swaps;
