//! The knowledge root: one hash over everything that a site has accepted.

use crate::hash::{KnowledgeRoot, SiteId};
use crate::lthash::LtHash;
use crate::names::{Lane, Source};

/// The accepted state of one source in one log.
#[derive(Debug, Clone)]
pub struct KnowledgeEntry<'a> {
    /// The author.
    pub site: SiteId,
    /// The log.
    pub lane: Lane,
    /// The source; `None` for shared documents.
    pub source: Option<&'a Source>,
    /// Hash over its accepted live entries.
    pub state: &'a LtHash,
}

/// Hashes accepted states: equal roots mean equal knowledge.
///
/// Entries are sorted by (site, lane, source) and empty states are left out, so the root does not depend on
/// when or through whom a site learned. Layout: `docs/formats/state-root.md`.
#[must_use]
pub fn knowledge_root<'a>(entries: impl IntoIterator<Item = KnowledgeEntry<'a>>) -> KnowledgeRoot {
    let empty = LtHash::default();
    let mut entries: Vec<_> = entries
        .into_iter()
        .filter(|entry| *entry.state != empty)
        .collect();
    entries.sort_by(|a, b| (a.site, a.lane, a.source).cmp(&(b.site, b.lane, b.source)));
    let mut hasher = blake3::Hasher::new_derive_key("starling 2026-11 v1 knowledge root");
    for entry in entries {
        let source = entry.source.map_or("", Source::as_str);
        hasher.update(entry.site.as_bytes());
        hasher.update(&[entry.lane.number()]);
        hasher.update(&u32::try_from(source.len()).unwrap_or(u32::MAX).to_le_bytes());
        hasher.update(source.as_bytes());
        hasher.update(entry.state.root().as_bytes());
    }
    KnowledgeRoot::from_bytes(*hasher.finalize().as_bytes())
}
