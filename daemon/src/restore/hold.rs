//! Why a site signs nothing for now, whom it heard since, and when it may go on.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use starling_protocol::{SiteId, UnixMillis};

/// The hold of a home that was put back from a backup, or copied; kept in its note until the site goes on.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Hold {
    /// When the home was put back, as far as that is known, in milliseconds.
    since: u64,
    /// What showed it.
    pub(crate) why: String,
    /// Up to where the site's own log was held then; none before the store was open.
    #[serde(default)]
    pub(crate) held: Option<u64>,
    /// The newest epoch of the site's certificates then.
    pub(crate) epoch: u32,
    /// Who was heard since, by site.
    #[serde(default)]
    heard: BTreeMap<String, Heard>,
    /// The epoch that is being begun: once the site's certificates have it, the hold is over.
    #[serde(default)]
    pub(crate) begins: Option<u32>,
    /// The epoch that was begun only to be let in by peers: under it the site goes on.
    #[serde(default)]
    pub(crate) rejoined: Option<u32>,
}

/// What one site said since.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Heard {
    /// When it said so first, in milliseconds.
    at: u64,
    /// Up to where it has the site's own log; none if it has nothing of it.
    reaches: Option<u64>,
    /// Up to where it holds the claims themselves, not only a head that names them; none if it did not say.
    #[serde(default)]
    holds: Option<u64>,
}

/// What a site says of this site's own log.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) struct OwnLogWord {
    /// Up to where it holds the log, or knows a head of it; none if it has nothing of it.
    pub(crate) reaches: Option<u64>,
    /// Up to where it holds the claims themselves.
    pub(crate) holds: Option<u64>,
}

/// What keeps a site from going on.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Waits {
    /// Nobody is listed who could be heard.
    NobodyListed,
    /// Nobody was heard who has something of the site's own log.
    Unheard,
    /// Some were heard; the others have until then.
    Patience {
        /// Those that were not heard.
        unheard: Vec<SiteId>,
        /// Until when they are waited for.
        until: UnixMillis,
    },
    /// Claims that a peer or bundle told of are still to come.
    Missing {
        /// Up to where the log is held.
        held: u64,
        /// Up to where it goes.
        of: u64,
        /// Up to where each site that was heard holds them; none if it did not say.
        asked: Vec<(SiteId, Option<u64>)>,
        /// Listed sites that were not heard.
        unheard: Vec<SiteId>,
    },
    /// All claims are here that others hold, and not all bodies that they name.
    Bodies {
        /// How many are not here.
        lacks: u64,
        /// Until when they are waited for, if every holder of the claims was asked in vain; none before that.
        until: Option<UnixMillis>,
    },
}

impl Hold {
    /// A hold since a home was put back.
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

    /// The same, of a home that holds its own log up to there.
    pub(crate) const fn holding(mut self, held: u64) -> Self {
        self.held = Some(held);
        self
    }

    /// When the home was put back, as far as that is known.
    pub(crate) fn since(&self) -> UnixMillis {
        UnixMillis::saturating(self.since)
    }

    /// Notes what a site said of the own log; gives if that changes anything.
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
        // The first word is what patience counts from.
        if heard.at == 0 || (before.reaches.is_none() && reaches.is_some()) {
            heard.at = at.as_millis().max(1);
        }
        *heard != before
    }

    /// Returns true if a site was heard since.
    pub(crate) fn has_heard(&self, site: &SiteId) -> bool {
        self.heard.contains_key(&site.to_string())
    }

    /// Tells what keeps the site from going on, where it holds its own log up to `held`; none if nothing does.
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

    /// Claims up to `of` are known of and not held: tells who was asked for them.
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

    /// The sites that were heard and hold something of the own log.
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
    fn site_waits_for_everyone_listed_or_for_its_patience() {
        let mut hold = Hold::new(at(1_000), "a test", 0);
        let listed = [site(1), site(2)];
        let waits = |hold: &Hold, held, now| hold.waits(&listed, held, 500, at(now));
        assert_eq!(waits(&hold, 1, 9_000), Some(Waits::Unheard));
        assert_eq!(hold.waits(&[], 1, 500, at(9_000)), Some(Waits::NobodyListed));
        // Who holds nothing of the log was heard, and proves nothing.
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
    fn hold_reads_back_as_written() {
        let mut hold = Hold::new(at(7), "another inode", 2);
        hold.hear(&site(9), word(4, 4), at(8));
        let text = serde_json::to_string(&hold).unwrap();
        assert_eq!(serde_json::from_str::<Hold>(&text).unwrap(), hold);
    }
}
