//! Epoch certificates: who may sign for a site, and from where in its logs.
//!
//! One object serves genesis, rotation, revocation, restore and fork resolution. The root key signs it
//! (it can live offline), and the operating key countersigns to prove that its holder agreed.
//! Layout: `docs/formats/certificate.md`.

mod chain;
mod epoch;
mod error;
mod offered;
#[cfg(test)]
mod tests;

pub use self::chain::CertificateChain;
pub use self::epoch::{CertificateHash, EpochCertificate, LaneResume, Reason, VerifiedCertificate};
pub use self::error::CertificateError;
pub use self::offered::OfferedChain;
