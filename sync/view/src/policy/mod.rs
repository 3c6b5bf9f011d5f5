//! The view policy: as an operator writes it, and compiled to total orders.
//!
//! There are only two orders. For each (source, id), one statement is chosen by an order over its authors; then
//! fields fold by an order over sources. Ties are broken by the content hash, so that no outcome ever depends
//! on which statement came first.

mod compiled;
mod sources;
#[cfg(test)]
mod tests;

pub use compiled::{Choice, CompiledPolicy};
pub(crate) use sources::owners_of;

use std::collections::BTreeMap;
use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Deserializer, Serialize, Serializer};
use starling_protocol::{SiteId, Source};

/// The strategy for a disagreement between authors about one record.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Default)]
pub enum ConflictStrategy {
    /// Other sites before this one.
    #[default]
    PreferRemote,
    /// This site before all others.
    PreferLocal,
    /// The statement with the later claim time, by its author's clock.
    PreferNewest,
    /// Use the listed order of sites only.
    PreferSiteOrder,
    /// Do not decide: the record is held until an operator decides.
    Fail,
}

impl ConflictStrategy {
    /// Every strategy with its name in configuration files.
    pub const ALL: [(Self, &'static str); 5] = [
        (Self::PreferRemote, "prefer_remote"),
        (Self::PreferLocal, "prefer_local"),
        (Self::PreferNewest, "prefer_newest"),
        (Self::PreferSiteOrder, "prefer_site_order"),
        (Self::Fail, "fail"),
    ];

    /// Returns the name in configuration files.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::PreferRemote => "prefer_remote",
            Self::PreferLocal => "prefer_local",
            Self::PreferNewest => "prefer_newest",
            Self::PreferSiteOrder => "prefer_site_order",
            Self::Fail => "fail",
        }
    }
}

impl fmt::Display for ConflictStrategy {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.name())
    }
}

/// An unknown conflict strategy.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error(
    "reading a conflict strategy: expected prefer_remote, prefer_local, prefer_newest, prefer_site_order or fail, \
     found {found:?}"
)]
pub struct StrategyError {
    /// The text found, shortened to 80 characters.
    pub found: String,
}

impl FromStr for ConflictStrategy {
    type Err = StrategyError;

    /// Parses a strategy's name; `-` may replace `_`, as command lines write it.
    fn from_str(text: &str) -> Result<Self, StrategyError> {
        let name = text.replace('-', "_");
        Self::ALL
            .iter()
            .find(|(_, known)| *known == name)
            .map(|(strategy, _)| *strategy)
            .ok_or_else(|| StrategyError {
                found: text.chars().take(80).collect(),
            })
    }
}

impl Serialize for ConflictStrategy {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.name())
    }
}

impl<'de> Deserialize<'de> for ConflictStrategy {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer)?
            .parse()
            .map_err(serde::de::Error::custom)
    }
}

/// The statements about a package that are judged.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Ranges {
    /// Each source's statement separately: a package is affected if any applicable statement says so.
    #[default]
    Any,
    /// Only the first source's statement.
    Preferred,
}

impl Ranges {
    /// Returns the name in configuration files.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Any => "any",
            Self::Preferred => "preferred",
        }
    }
}

/// The view policy as an operator writes it. The default prefers other sites.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct ViewPolicy {
    /// The strategy for a disagreement between authors.
    pub conflict_strategy: ConflictStrategy,
    /// Sites in order of preference; unlisted sites follow, ordered by id.
    pub site_order: Vec<SiteId>,
    /// Sources in order of preference; unlisted sources follow in the default order.
    pub source_order: Vec<Source>,
    /// The statements about a package that are judged.
    pub ranges: Ranges,
    /// Ecosystems over which a source has authority; replaces that source's defaults.
    pub authority: BTreeMap<Source, Vec<String>>,
    /// Sources that settle their disagreements otherwise.
    pub per_source: BTreeMap<Source, SourcePolicy>,
}

/// The strategy of one source for disagreements between its authors.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct SourcePolicy {
    /// In place of the general strategy.
    pub conflict_strategy: ConflictStrategy,
    /// In place of the general order of sites.
    pub site_order: Vec<SiteId>,
}

/// Names a view policy: two sites with equal hashes fold by equal rules.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct PolicyHash([u8; 32]);

impl PolicyHash {
    pub(crate) const fn from_bytes(bytes: [u8; 32]) -> Self {
        Self(bytes)
    }

    /// Returns the raw 32 bytes.
    #[must_use]
    pub const fn as_bytes(&self) -> &[u8; 32] {
        &self.0
    }
}

impl fmt::Display for PolicyHash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "blake3:{}", blake3::Hash::from_bytes(self.0).to_hex())
    }
}

impl fmt::Debug for PolicyHash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "PolicyHash({self})")
    }
}

impl Serialize for PolicyHash {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl ViewPolicy {
    /// Compiles the policy for the site with the id `local`.
    #[must_use]
    pub fn compile(&self, local: SiteId) -> CompiledPolicy {
        CompiledPolicy::new(self, local)
    }

    /// Returns the hash by which a verdict names the policy.
    ///
    /// The local site is left out: "this site first" is one rule at every site, and equal rules must give equal
    /// hashes. Layout: `docs/formats/view.md`.
    #[must_use]
    pub fn hash(&self) -> PolicyHash {
        let mut bytes = self.orders();
        write_text(&mut bytes, self.ranges.name());
        write_count(&mut bytes, self.authority.len());
        for (source, ecosystems) in &self.authority {
            write_text(&mut bytes, source.as_str());
            write_count(&mut bytes, ecosystems.len());
            for ecosystem in ecosystems {
                write_text(&mut bytes, ecosystem);
            }
        }
        let mut hasher = blake3::Hasher::new_derive_key("starling 2026-11 v2 view policy");
        hasher.update(&bytes);
        PolicyHash(*hasher.finalize().as_bytes())
    }

    /// Returns a hash over the orders, the only part on which the view's rows depend. The choice of judged
    /// statements is used only when an advisory is folded.
    pub(crate) fn orders_hash(&self) -> [u8; 32] {
        let mut hasher = blake3::Hasher::new_derive_key("starling 2026-11 v1 view policy");
        hasher.update(&self.orders());
        *hasher.finalize().as_bytes()
    }

    fn orders(&self) -> Vec<u8> {
        let mut bytes = Vec::new();
        write_author_order(&mut bytes, self.conflict_strategy, &self.site_order);
        write_count(&mut bytes, self.per_source.len());
        for (source, policy) in &self.per_source {
            write_text(&mut bytes, source.as_str());
            write_author_order(&mut bytes, policy.conflict_strategy, &policy.site_order);
        }
        write_count(&mut bytes, self.source_order.len());
        for source in &self.source_order {
            write_text(&mut bytes, source.as_str());
        }
        bytes
    }
}

fn write_author_order(out: &mut Vec<u8>, strategy: ConflictStrategy, site_order: &[SiteId]) {
    write_text(out, strategy.name());
    write_count(out, site_order.len());
    for site in site_order {
        out.extend_from_slice(site.as_bytes());
    }
}

fn write_text(out: &mut Vec<u8>, text: &str) {
    write_count(out, text.len());
    out.extend_from_slice(text.as_bytes());
}

fn write_count(out: &mut Vec<u8>, count: usize) {
    out.extend_from_slice(&(count as u64).to_le_bytes());
}
