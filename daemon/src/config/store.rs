//! `[store]`: the engine, how much history is kept, and how often the files are checked.

use serde::{Deserialize, Serialize};

use super::{ByteSize, Refused};

/// The embedded store.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Store {
    /// `sled` or `redb`. `starling store convert` changes the engine of a store that exists.
    pub engine: String,
    /// Memory for cached pages.
    pub cache: ByteSize,
    /// How long replaced knowledge is kept for questions about earlier times: a span such as `30d`.
    pub retention: String,
    /// Most bytes that this may take; the oldest goes first.
    pub retention_bytes: ByteSize,
    /// How often the daemon reads every frame of log and packs to find damage: a span such as `1d`; `0` for never.
    pub check_interval: String,
    /// How many bytes of them it reads in a second, at most.
    pub check_rate: ByteSize,
    /// Most bytes, packed, that documents of feeds may take as they were fetched; `0` keeps none.
    pub raw_bytes: ByteSize,
}

/// Least rate of a check: even a store of a gigabyte is read in less than a day.
const MIN_CHECK_RATE: ByteSize = ByteSize(16 << 10);

impl Default for Store {
    fn default() -> Self {
        Self {
            engine: "sled".to_owned(),
            cache: ByteSize(8 << 20),
            retention: "30d".to_owned(),
            retention_bytes: ByteSize(512 << 20),
            check_interval: "1d".to_owned(),
            check_rate: ByteSize(8 << 20),
            raw_bytes: ByteSize(256 << 20),
        }
    }
}

impl Store {
    /// Checks the bounds that types alone do not keep; returns the key and its problem.
    pub(super) fn check(&self) -> Result<(), Refused> {
        if !matches!(self.engine.as_str(), "sled" | "redb") {
            return Err((
                "store.engine",
                format!("`sled` or `redb` is possible, found {:?}", self.engine),
            ));
        }
        if let Err(error) = starling_policy::units::parse_span(&self.retention) {
            return Err(("store.retention", error.to_string()));
        }
        if let Err(error) = check_interval_seconds(&self.check_interval) {
            return Err(("store.check_interval", format!("{error}, or 0 for never")));
        }
        if self.check_rate < MIN_CHECK_RATE {
            return Err((
                "store.check_rate",
                format!("must be at least {MIN_CHECK_RATE}, got {}", self.check_rate),
            ));
        }
        Ok(())
    }

    /// Returns the limits of the kept history.
    pub(crate) fn retention(&self) -> starling_store::Retention {
        // Checked when it was read.
        let seconds = starling_policy::units::parse_span(&self.retention).unwrap_or(u64::MAX);
        starling_store::Retention {
            millis: seconds.saturating_mul(1_000),
            bytes: self.retention_bytes.0,
        }
    }

    /// Returns the interval at which the daemon reads every frame; `None` for never.
    pub(crate) fn check_interval(&self) -> Option<std::time::Duration> {
        // Checked when it was read.
        let seconds = check_interval_seconds(&self.check_interval).unwrap_or(0);
        (seconds > 0).then(|| std::time::Duration::from_secs(seconds))
    }
}

/// Reads a span of time that may be `0`, in seconds.
fn check_interval_seconds(text: &str) -> Result<u64, starling_policy::units::UnitError> {
    if text.trim() == "0" {
        return Ok(0);
    }
    starling_policy::units::parse_span(text)
}
