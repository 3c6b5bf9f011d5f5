//! The hold of a restored site: why it does not sign, from which sites it has heard, and when it may continue.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use starling_protocol::{SiteId, UnixMillis};

/// The hold of a restored or copied home; stored in its note until the site continues.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Hold {
    /// The time of the restore, as far as known, in milliseconds.
    since: u64,
    /// How it was detected.
    pub(crate) why: String,
    /// The position up to which the site's own log was held then; `None` before the store was open.
    #[serde(default)]
    pub(crate) held: Option<u64>,
    /// The newest epoch of the site's certificates then.
    pub(crate) epoch: u32,
    /// The sites that were heard from since, by identity.
    #[serde(default)]
    heard: BTreeMap<String, Heard>,
    /// The epoch that is being started: when the site's certificates have it, the hold is over.
    #[serde(default)]
    pub(crate) begins: Option<u32>,
    /// The epoch that was started only for acceptance by peers; the site continues with it.
    #[serde(default)]
    pub(crate) rejoined: Option<u32>,
}

/// One site's statement since then.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Heard {
    /// The time of its first statement, in milliseconds.
    at: u64,
    /// The position up to which it has the site's own log; `None` if it has nothing.
    reaches: Option<u64>,
    /// The position up to which it has the claims themselves, not only a head; `None` if it did not say.
    #[serde(default)]
    holds: Option<u64>,
}

/// A site's statement about this site's own log.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) struct OwnLogWord {
    /// The position up to which it holds the log, or knows a head; `None` if it has nothing.
    pub(crate) reaches: Option<u64>,
    /// The position up to which it holds the claims themselves.
    pub(crate) holds: Option<u64>,
}

/// The reason why a site does not continue.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Waits {
    /// No site is listed from which it could hear.
    NobodyListed,
    /// It has heard from no site that has data of its own log.
    Unheard,
    /// It has heard from some sites, and waits for the others until a time.
    Patience {
        /// The sites from which it has not heard.
        unheard: Vec<SiteId>,
        /// The end of the wait.
        until: UnixMillis,
    },
    /// Claims that a peer or bundle reported are still missing.
    Missing {
        /// The position up to which the log is held.
        held: u64,
        /// The position up to which the log is known to go.
        of: u64,
        /// The position up to which each heard site holds it; `None` if it did not say.
        asked: Vec<(SiteId, Option<u64>)>,
        /// Listed sites from which it has not heard.
        unheard: Vec<SiteId>,
    },
    /// All claims of other sites are here, but not all of their bodies.
    Bodies {
        /// Number of missing bodies.
        lacks: u64,
        /// The end of the wait, if every holder of the claims was asked in vain; `None` before that.
        until: Option<UnixMillis>,
    },
}

impl Hold {
    /// Creates a hold for a restored home.
    pub(crate) fn new(since: UnixMillis, why: &str, epoch: u32) -> Self {
        Self {
            since: since.as_millis(),
            why: why.to_owned(),
            held: None,
            epoch,
            heard: BTreeMap::new(),
            begins: None,
            rejoined: None,
        }
    }

    /// Returns the same hold, for a home that holds its own log up to this position.
    pub(crate) const fn holding(mut self, held: u64) -> Self {
        self.held = Some(held);
        self
    }

    /// Returns the time of the restore, as far as known.
    pub(crate) fn since(&self) -> UnixMillis {
        UnixMillis::saturating(self.since)
    }

    /// Records a site's statement about the own log; returns true if that changes anything.
    pub(crate) fn hear(&mut self, site: &SiteId, word: OwnLogWord, at: UnixMillis) -> bool {
        let heard = self.heard.entry(site.to_string()).or_insert(Heard {
            at: 0,
            reaches: None,
            holds: None,
        });
        let before = *heard;
        let reaches = word.reaches;
        heard.reaches = reaches.or(heard.reaches);
        heard.holds = word.holds.or(heard.holds);
        // The patience starts with the first statement.
        if heard.at == 0 || (before.reaches.is_none() && reaches.is_some()) {
            heard.at = at.as_millis().max(1);
        }
        *heard != before
    }

    /// Returns true if the site has been heard from since.
    pub(crate) fn has_heard(&self, site: &SiteId) -> bool {
        self.heard.contains_key(&site.to_string())
    }

    /// Returns why the site does not continue, if it holds its own log up to `held`; `None` if it may continue.
    pub(crate) fn waits(
        &self,
        listed: &[SiteId],
        held: u64,
        patience_millis: u64,
        now: UnixMillis,
    ) -> Option<Waits> {
        let reach = self.heard.values().filter_map(|heard| heard.reaches).max();
        if let Some(of) = reach.filter(|of| *of > held) {
            return Some(self.misses(listed, held, of));
        }
        let unheard: Vec<SiteId> = listed
            .iter()
            .filter(|site| !self.has_heard(site))
            .copied()
            .collect();
        if unheard.is_empty() && !listed.is_empty() {
            return None;
        }
        let spoke = self.heard.values().filter(|heard| heard.reaches.is_some());
        let Some(first) = spoke.map(|heard| heard.at).min() else {
            return Some(if listed.is_empty() {
                Waits::NobodyListed
            } else {
                Waits::Unheard
            });
        };
        let until = UnixMillis::saturating(first.saturating_add(patience_millis));
        (until > now && !listed.is_empty()).then_some(Waits::Patience { unheard, until })
    }

    /// Describes the claims up to `of` that are known but not held: which sites were asked for them.
    pub(crate) fn misses(&self, listed: &[SiteId], held: u64, of: u64) -> Waits {
        let heard = self.heard.iter();
        let asked = heard.filter_map(|(site, heard)| Some((site.parse().ok()?, heard.holds)));
        let unheard = listed.iter().filter(|site| !self.has_heard(site)).copied();
        Waits::Missing {
            held,
            of,
            asked: asked.collect(),
            unheard: unheard.collect(),
        }
    }

    /// Returns the heard sites that hold something of the own log.
    pub(crate) fn holders(&self) -> impl Iterator<Item = SiteId> + '_ {
        let holding = self
            .heard
            .iter()
            .filter(|(_, heard)| heard.holds.unwrap_or(0) > 0);
        holding.filter_map(|(site, _)| site.parse().ok())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn site(byte: u8) -> SiteId {
        SiteId::from_bytes([byte; 32])
    }

    fn at(millis: u64) -> UnixMillis {
        UnixMillis::saturating(millis)
    }

    fn word(reaches: u64, holds: u64) -> OwnLogWord {
        OwnLogWord {
            reaches: Some(reaches),
            holds: Some(holds),
        }
    }

    #[test]
    fn site_waits_for_all_listed_sites_or_its_patience() {
        let mut hold = Hold::new(at(1_000), "a test", 0);
        let listed = [site(1), site(2)];
        let waits = |hold: &Hold, held, now| hold.waits(&listed, held, 500, at(now));
        assert_eq!(waits(&hold, 1, 9_000), Some(Waits::Unheard));
        assert_eq!(hold.waits(&[], 1, 500, at(9_000)), Some(Waits::NobodyListed));
        // A site without anything of the log was heard, but proves nothing.
        assert!(hold.hear(&site(1), OwnLogWord::default(), at(2_000)));
        assert_eq!(waits(&hold, 1, 9_000), Some(Waits::Unheard));
        assert!(hold.hear(&site(1), word(3, 2), at(3_000)));
        assert!(!hold.hear(&site(1), word(3, 2), at(3_100)));
        let missing = Waits::Missing {
            held: 1,
            of: 3,
            asked: vec![(site(1), Some(2))],
            unheard: vec![site(2)],
        };
        assert_eq!(waits(&hold, 1, 9_000), Some(missing));
        let patience = Waits::Patience {
            unheard: vec![site(2)],
            until: at(3_500),
        };
        assert_eq!(waits(&hold, 3, 3_400), Some(patience));
        assert_eq!(waits(&hold, 3, 3_500), None);
        hold.hear(&site(2), OwnLogWord::default(), at(3_200));
        assert_eq!(waits(&hold, 3, 3_300), None, "everyone was heard");
    }

    #[test]
    fn hold_round_trips() {
        let mut hold = Hold::new(at(7), "another inode", 2);
        hold.hear(&site(9), word(4, 4), at(8));
        let text = serde_json::to_string(&hold).unwrap();
        assert_eq!(serde_json::from_str::<Hold>(&text).unwrap(), hold);
    }
}
