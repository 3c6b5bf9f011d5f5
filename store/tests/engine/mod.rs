//! Tests of the engine seam: every engine is held to the same behaviour.

mod bed;
mod conformance;
mod copies;
mod folder;
mod model;
mod readers;
