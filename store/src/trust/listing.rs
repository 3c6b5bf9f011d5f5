//! The allow-list: the trusted sites, and their sources. Deny by default: an empty list allows nothing.

use std::collections::BTreeSet;

use serde::{Deserialize, Serialize};
use starling_protocol::{SiteId, SiteSlug, Source, UnixMillis};

/// The sources about which an author may make claims.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(into = "Vec<String>", try_from = "Vec<String>")]
pub enum AllowedSources {
    /// Every source: written out as `*`.
    All,
    /// Only these; no source if empty.
    Only(BTreeSet<Source>),
}

impl AllowedSources {
    /// Returns true if `source` is among them.
    #[must_use]
    pub fn allows(&self, source: &Source) -> bool {
        match self {
            Self::All => true,
            Self::Only(sources) => sources.contains(source),
        }
    }
}

impl From<AllowedSources> for Vec<String> {
    fn from(sources: AllowedSources) -> Self {
        match sources {
            AllowedSources::All => vec!["*".to_owned()],
            AllowedSources::Only(sources) => sources.iter().map(ToString::to_string).collect(),
        }
    }
}

impl TryFrom<Vec<String>> for AllowedSources {
    type Error = starling_protocol::NameError;

    fn try_from(texts: Vec<String>) -> Result<Self, Self::Error> {
        if texts.iter().any(|text| text == "*") {
            return Ok(Self::All);
        }
        texts
            .iter()
            .map(|text| text.parse())
            .collect::<Result<_, _>>()
            .map(Self::Only)
    }
}

/// One entry of the allow-list.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ListedSite {
    /// Its name on this list.
    pub slug: SiteSlug,
    /// Its identity.
    pub site: SiteId,
    /// Its name for people.
    pub display_name: Option<String>,
    /// Its addresses to dial, as multiaddresses; empty for a site that only dials in or sends files.
    pub addresses: Vec<String>,
    /// The sources about which it may make claims.
    pub allowed_sources: AllowedSources,
    /// Largest bundle taken from it, in bytes; the general limit if absent.
    pub max_bundle_size: Option<u64>,
    /// True if it is trusted and connected at all.
    pub enabled: bool,
    /// True if its mutes are in force here. `None` for a site that was listed before this setting existed: its
    /// mutes are in force, with a warning.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub may_mute: Option<bool>,
    /// The time at which it was listed.
    pub added_at: UnixMillis,
}

impl ListedSite {
    /// Returns true if something of the site can count here: records of a source, or mutes.
    pub(crate) fn can_count(&self) -> bool {
        let has_sources = match &self.allowed_sources {
            AllowedSources::All => true,
            AllowedSources::Only(sources) => !sources.is_empty(),
        };
        self.enabled && (has_sources || self.may_mute != Some(false))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn old_entry_has_no_mute_setting() {
        let text = format!(
            r#"{{"slug":"site-b","site":"{}","display_name":null,"addresses":[],"allowed_sources":["*"],"max_bundle_size":null,"enabled":true,"added_at":0}}"#,
            SiteId::from_bytes([7; 32])
        );
        let before: ListedSite = serde_json::from_str(&text).unwrap();
        assert_eq!(before.may_mute, None);
        let since = ListedSite {
            may_mute: Some(false),
            ..before
        };
        let read: ListedSite = serde_json::from_str(&serde_json::to_string(&since).unwrap()).unwrap();
        assert_eq!(read, since);
    }

    #[test]
    fn empty_list_allows_nothing_and_star_is_explicit() {
        let none = AllowedSources::try_from(Vec::new()).unwrap();
        assert!(!none.allows(&"nvd".parse().unwrap()));
        let all = AllowedSources::try_from(vec!["*".to_owned()]).unwrap();
        assert!(all.allows(&"nvd".parse().unwrap()));
        assert_eq!(Vec::from(all), ["*"]);
    }
}
