//! SBOMs, package URLs, version schemes and matching; pure.
//!
//! The bytes of an SBOM go in at [`sbom`], knowledge comes through the trait [`knowledge::Knowledge`], and findings
//! with coverage come out of [`scan`]. `starling-policy` decides what a finding means for a build; the caller owns
//! the bytes and the knowledge.

pub mod cpe;
pub mod ecosystem;
pub mod explain;
pub mod faults;
pub mod fix;
pub mod index;
pub mod knowledge;
mod lenient;
pub mod matching;
mod module;
pub mod name;
pub mod origin;
pub mod osv;
pub mod purl;
pub mod reach;
pub mod sbom;
pub mod scan;
pub mod selftest;
pub mod severity;
pub mod threat;
pub mod version;
