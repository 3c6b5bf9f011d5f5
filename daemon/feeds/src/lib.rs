//! Source connectors: foreign bytes to records plus warnings.
//!
//! Reading and interpreting are separate. [`input`] reads folders, archives and streams, with limits, and passes on
//! named byte strings; [`osv`] converts those bytes to records, warnings or rejections, without side effects, and
//! [`connectors`] convert documents of other kinds to such records; [`pipeline`] connects them on several threads, in
//! order.
//!
//! Not part of this crate: the author of the records, earlier records with the same name, and the store. Nothing here
//! knows the source's name.

pub mod connectors;
mod identity;
pub mod input;
pub mod osv;
pub mod pipeline;
pub mod yaml;

pub use identity::Identity;
