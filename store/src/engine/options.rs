//! The engine to open, and its limits.

use std::fmt;
use std::io;
use std::str::FromStr;
use std::sync::Arc;

use super::generation::Generation;

/// The engines that this build can open.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub enum EngineKind {
    /// sled: the default.
    #[default]
    Sled,
    /// redb: smaller on disk and quicker to open; the choice for large sites.
    Redb,
    /// In memory: gone when it is closed; for tests and simulations.
    Memory,
}

impl EngineKind {
    /// Every engine, in the order in which they are offered.
    pub const ALL: &'static [EngineKind] = &[Self::Sled, Self::Redb, Self::Memory];

    /// Returns the name used in the configuration, on the command line and in messages.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Sled => "sled",
            Self::Redb => "redb",
            Self::Memory => "memory",
        }
    }

    /// Returns true if an engine's files have grown enough since the last rebuild to be worth another.
    ///
    /// sled is rebuilt earlier: what it holds in memory grows with its files, and it is rebuilt while reads go on.
    pub const fn has_outgrown(self, size: ByteCount, last: ByteCount) -> bool {
        let (least, percent) = match self {
            Self::Sled => (ByteCount::mebibytes(8), 150),
            Self::Redb | Self::Memory => (ByteCount::mebibytes(16), 200),
        };
        size.0 >= least.0 && size.0.saturating_mul(100) >= last.0.saturating_mul(percent)
    }
}

impl fmt::Display for EngineKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// A name that no engine has.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("no store engine is called {found:?}; choose sled, redb or memory")]
pub struct UnknownEngine {
    /// The given name.
    pub found: String,
}

impl FromStr for EngineKind {
    type Err = UnknownEngine;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        Self::ALL
            .iter()
            .copied()
            .find(|kind| kind.name() == text)
            .ok_or_else(|| UnknownEngine {
                found: text.to_owned(),
            })
    }
}

/// The action if the folder holds no store.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub enum IfMissing {
    /// Make an empty one.
    #[default]
    Create,
    /// Fail with [`EngineError::Missing`](super::EngineError::Missing).
    Refuse,
}

/// The source of random numbers for a new store: its generation, and the id of its file.
#[derive(Clone)]
pub struct Randomness(Arc<Fill>);

/// Fills its argument with random bytes.
type Fill = dyn Fn(&mut [u8]) -> io::Result<()> + Send + Sync;

impl Randomness {
    /// Uses a function that fills its argument.
    pub fn new(fill: impl Fn(&mut [u8]) -> io::Result<()> + Send + Sync + 'static) -> Self {
        Self(Arc::new(fill))
    }

    /// Uses the operating system.
    pub fn system() -> Self {
        Self::new(|bytes| getrandom::fill(bytes).map_err(|error| io::Error::other(error.to_string())))
    }

    /// Fills `bytes` with random ones.
    ///
    /// # Errors
    /// Fails if the source does.
    pub fn fill(&self, bytes: &mut [u8]) -> io::Result<()> {
        (self.0)(bytes)
    }
}

impl fmt::Debug for Randomness {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Randomness")
    }
}

/// Options for opening an engine. `EngineOptions::default()` suits a daemon.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct EngineOptions {
    /// Memory for cached pages. A guide, not a cap: sled holds more while it writes.
    pub cache: ByteCount,
    /// Space that writes leave free on the disk. A write that would use it is refused before it starts, which
    /// is harmless, whereas running full in the middle stops the engine.
    pub reserve: ByteCount,
    /// The action if there is no store.
    pub if_missing: IfMissing,
    /// The source of random numbers for a new store.
    pub randomness: Randomness,
    /// The generation of a new store, or `None` for a random one. Set for a store that is a copy of another.
    pub generation: Option<Generation>,
}

impl EngineOptions {
    /// Cache of 8 MiB. Most of what a daemon on sled holds is not this cache but memory that the allocator keeps
    /// (`docs/benchmarks.md`).
    pub const DEFAULT_CACHE: ByteCount = ByteCount::mebibytes(8);
    /// Reserve of 64 MiB: room for the engine's own housekeeping and for an orderly stop.
    pub const DEFAULT_RESERVE: ByteCount = ByteCount::mebibytes(64);

    /// Sets the memory for cached pages.
    pub fn with_cache(mut self, cache: ByteCount) -> Self {
        self.cache = cache;
        self
    }

    /// Sets the space that writes leave free.
    pub fn with_reserve(mut self, reserve: ByteCount) -> Self {
        self.reserve = reserve;
        self
    }

    /// Sets the action if there is no store.
    pub fn with_if_missing(mut self, if_missing: IfMissing) -> Self {
        self.if_missing = if_missing;
        self
    }

    /// Sets the generation of a new store.
    pub fn with_generation(mut self, generation: Generation) -> Self {
        self.generation = Some(generation);
        self
    }

    /// Sets the source of random numbers for a new store.
    pub fn with_randomness(mut self, randomness: Randomness) -> Self {
        self.randomness = randomness;
        self
    }
}

impl Default for EngineOptions {
    fn default() -> Self {
        Self {
            cache: Self::DEFAULT_CACHE,
            reserve: Self::DEFAULT_RESERVE,
            if_missing: IfMissing::default(),
            randomness: Randomness::system(),
            generation: None,
        }
    }
}

/// A size in bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct ByteCount(pub u64);

impl ByteCount {
    /// Creates a size from mebibytes.
    pub const fn mebibytes(count: u64) -> Self {
        Self(count << 20)
    }

    /// Returns the number of bytes.
    pub const fn get(self) -> u64 {
        self.0
    }
}

impl fmt::Display for ByteCount {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        const UNITS: [(u64, &str); 3] = [(1 << 30, "GiB"), (1 << 20, "MiB"), (1 << 10, "KiB")];
        for (size, unit) in UNITS {
            if self.0 >= size {
                // Tenths in whole numbers: the same text on every machine.
                let tenths = (u128::from(self.0) * 10) / u128::from(size);
                return write!(f, "{}.{} {unit}", tenths / 10, tenths % 10);
            }
        }
        write!(f, "{} B", self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn engine_is_rebuilt_after_it_has_grown_since_the_last_rebuild() {
        let outgrew = |kind: EngineKind, size, last| {
            kind.has_outgrown(ByteCount::mebibytes(size), ByteCount::mebibytes(last))
        };
        assert!(!outgrew(EngineKind::Redb, 15, 1));
        assert!(outgrew(EngineKind::Redb, 16, 1));
        assert!(!outgrew(EngineKind::Redb, 199, 100));
        assert!(outgrew(EngineKind::Redb, 200, 100));
        assert!(!outgrew(EngineKind::Sled, 7, 1));
        assert!(outgrew(EngineKind::Sled, 8, 1));
        assert!(!outgrew(EngineKind::Sled, 149, 100));
        assert!(outgrew(EngineKind::Sled, 150, 100));
    }

    #[test]
    fn engine_names_read_back() {
        for kind in EngineKind::ALL {
            assert_eq!(kind.to_string().parse(), Ok(*kind));
        }
        assert_eq!(
            "Sled".parse::<EngineKind>(),
            Err(UnknownEngine { found: "Sled".into() })
        );
    }

    #[test]
    fn byte_counts_show_one_decimal_of_the_largest_unit() {
        assert_eq!(ByteCount(1023).to_string(), "1023 B");
        assert_eq!(ByteCount(1536).to_string(), "1.5 KiB");
        assert_eq!(ByteCount::mebibytes(32).to_string(), "32.0 MiB");
    }
}
