//! `[view]`: how statements of several authors fold into one view.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use starling_protocol::{SiteSlug, Source};
use starling_view::{ConflictStrategy, Ranges};

use super::Refused;

/// How claims of several authors fold into one view.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct View {
    /// What settles a disagreement between authors.
    pub conflict_strategy: ConflictStrategy,
    /// Listed sites from most to least believed.
    pub site_order: Vec<SiteSlug>,
    /// Sources from most to least believed.
    pub source_order: Vec<Source>,
    /// Whose statements about a package are judged.
    pub ranges: Ranges,
    /// Ecosystems over which a source has authority, in place of its default ones: `debian = ["Debian:*"]`.
    pub authority: BTreeMap<Source, Vec<String>>,
}

impl Default for View {
    /// Prefers the newest statement. This rule has the same result at every site, so that equal knowledge gives
    /// equal verdicts. `prefer_remote` and `prefer_local` are for sites that deliberately differ.
    fn default() -> Self {
        Self {
            conflict_strategy: ConflictStrategy::PreferNewest,
            site_order: Vec::new(),
            source_order: Vec::new(),
            ranges: Ranges::default(),
            authority: BTreeMap::new(),
        }
    }
}

/// Longest pattern of an ecosystem, in bytes, and most of them for one source.
const MAX_PATTERN: usize = 256;

impl View {
    /// Checks the bounds that types alone do not keep; returns the key and its problem.
    pub(super) fn check(&self) -> Result<(), Refused> {
        for patterns in self.authority.values() {
            let is_bad = |pattern: &String| pattern.trim().is_empty() || pattern.len() > MAX_PATTERN;
            if patterns.len() > MAX_PATTERN || patterns.iter().any(is_bad) {
                let what = format!(
                    "an ecosystem such as \"Debian:*\" has 1 to {MAX_PATTERN} bytes, and a source at most {MAX_PATTERN} of them"
                );
                return Err(("view.authority", what));
            }
        }
        Ok(())
    }
}
