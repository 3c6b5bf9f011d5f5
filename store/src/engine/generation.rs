//! The generation of a store: which of its lives it is in.

use std::fmt;

use super::error::Failure;
use super::options::EngineOptions;

/// A random number that is written when an empty store is made, and stays until the store is thrown away.
///
/// Data that is kept outside the store but derived from its rows must be noted with the generation: a rebuild
/// changes it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Generation(pub [u8; 8]);

impl Generation {
    /// Returns the generation of a new store: the requested one, or a random one.
    pub(super) fn of(options: &EngineOptions) -> Result<Self, Failure> {
        if let Some(generation) = options.generation {
            return Ok(generation);
        }
        let mut bytes = [0; 8];
        options.randomness.fill(&mut bytes).map_err(Failure::from_io)?;
        Ok(Self(bytes))
    }
}

impl fmt::Display for Generation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:016x}", u64::from_be_bytes(self.0))
    }
}
