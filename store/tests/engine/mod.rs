//! Tests of the engine seam: every engine must behave alike.

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
