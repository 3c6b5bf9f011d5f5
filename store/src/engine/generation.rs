//! Which of its lives a store is in.

use std::fmt;

use super::error::Failure;
use super::options::EngineOptions;

/// A random number that is written when a store is made empty, and stays until it is thrown away.
///
/// Who keeps something beside the store that follows from its rows notes the generation with it: after a
/// rebuild it is another one.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Generation(pub [u8; 8]);

impl Generation {
    /// Returns the generation of a store that is being made: the one that was asked for, or a random one.
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
