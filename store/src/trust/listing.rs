//! The allow-list: which sites are believed, for which sources. Deny by default: an empty list allows nothing.

use std::collections::BTreeSet;

use serde::{Deserialize, Serialize};
use starling_protocol::{SiteId, SiteSlug, Source, UnixMillis};

/// Which sources an author may speak of.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(into = "Vec<String>", try_from = "Vec<String>")]
pub enum AllowedSources {
    /// Every source: written out as `*`.
    All,
    /// These; none when empty.
    Only(BTreeSet<Source>),
}

impl AllowedSources {
    /// Whether `source` is among them.
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
    /// What people call it.
    pub display_name: Option<String>,
    /// Where it can be dialled, as multiaddresses; empty for a site that only dials in or sends files.
    pub addresses: Vec<String>,
    /// Which sources it may speak of.
    pub allowed_sources: AllowedSources,
    /// Largest bundle taken from it, in bytes; the general limit when absent.
    pub max_bundle_size: Option<u64>,
    /// Whether it is believed and connected at all.
    pub enabled: bool,
    /// Whether its mutes count here. None for one that was listed before this had to be said: they count, with a warning.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub may_mute: Option<bool>,
    /// When it was listed.
    pub added_at: UnixMillis,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn entry_from_before_says_nothing_of_mutes() {
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
    fn an_empty_list_allows_nothing_and_the_star_is_written_out() {
        let none = AllowedSources::try_from(Vec::new()).unwrap();
        assert!(!none.allows(&"nvd".parse().unwrap()));
        let all = AllowedSources::try_from(vec!["*".to_owned()]).unwrap();
        assert!(all.allows(&"nvd".parse().unwrap()));
        assert_eq!(Vec::from(all), ["*"]);
    }
}
