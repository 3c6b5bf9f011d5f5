//! `[log]`: the format and the levels of log lines.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::Refused;

/// Logs.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Log {
    /// `text` or `json`.
    pub format: String,
    /// `error`, `warn`, `info`, `debug` or `trace`.
    pub level: String,
    /// Levels of single modules, such as `starling_sync = "debug"`.
    pub modules: BTreeMap<String, String>,
}

impl Default for Log {
    fn default() -> Self {
        Self {
            format: "text".to_owned(),
            level: "info".to_owned(),
            modules: BTreeMap::new(),
        }
    }
}

impl Log {
    /// Checks the bounds that types alone do not keep; returns the key and its problem.
    pub(super) fn check(&self) -> Result<(), Refused> {
        if !matches!(self.format.as_str(), "text" | "json") {
            return Err((
                "log.format",
                format!("`text` or `json` is possible, found {:?}", self.format),
            ));
        }
        for level in self.modules.values().chain([&self.level]) {
            if level.parse::<tracing::Level>().is_err() {
                return Err((
                    "log.level",
                    format!("`error`, `warn`, `info`, `debug` or `trace` is possible, found {level:?}"),
                ));
            }
        }
        Ok(())
    }
}
