//! Source connectors: foreign bytes to records plus warnings.
//!
//! Reading is separate from meaning. [`input`] walks folders, archives and streams, within bounds,
//! and hands on named byte strings; [`osv`] says which records, warnings or refusals those bytes
//! are, purely, and [`connectors`] read documents of other kinds into such records; [`pipeline`] runs
//! the one into the other on several threads, in order.
//!
//! Left to others: who authors the records, what an earlier record of the same name means, and the
//! store. Nothing here knows the source's name.

pub mod connectors;
pub mod input;
pub mod osv;
pub mod pipeline;
pub mod yaml;
