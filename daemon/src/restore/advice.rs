//! The messages of a site that does not sign: the reason, and what to do.

use starling_api_types as types;
use starling_protocol::{SiteId, UnixMillis};

use super::{GoesOn, Waits};
use crate::clock::now;
use crate::service::SiteParts;

/// The advice for a copy of a home if another copy continues.
pub(super) const SUPERSEDED: &str = "stop this copy for good. If it is the copy to keep, run `starling restore` on it with the \
     root key in keys/root.key: it takes what the other one signed, and begins an epoch of its own";

const ALONE: &str =
    "if no other site holds data of this site, `starling restore --alone` continues from what is here";

impl SiteParts {
    /// Returns why a site does not continue, and what to do; `None` if it can continue.
    pub(crate) fn advice_on(&self, ended: &GoesOn) -> Option<(String, String)> {
        let (why, advice) = match ended {
            GoesOn::Already | GoesOn::Now { .. } => return None,
            GoesOn::Waits(Waits::NobodyListed) => (
                "no site is listed from which it could hear".to_owned(),
                format!("list a site with `starling sites add`, or import a bundle of one; {ALONE}"),
            ),
            GoesOn::Waits(Waits::Unheard) => (
                "no peer has told it yet what it holds of this site".to_owned(),
                format!(
                    "let `starling up` reach a listed site, or import a new bundle of one; {ALONE}"
                ),
            ),
            GoesOn::Waits(Waits::Patience { unheard, until }) => (
                format!(
                    "it waits until {until} for {}, which may hold more of this site",
                    self.names_of(unheard)
                ),
                "it continues by itself when it has heard from them, or at that time; a bundle of theirs works too".to_owned(),
            ),
            GoesOn::Waits(Waits::Missing {
                held,
                of,
                asked,
                unheard,
            }) => self.advice_on_missing(*held, *of, asked, unheard),
            GoesOn::Waits(Waits::Bodies { lacks, until }) => self.advice_on_bodies(*lacks, *until),
            GoesOn::Rejoins { epoch } => (
                format!("it started epoch {epoch} so that its peers accept it again, and is getting its log back"),
                "let `starling up` reach a listed site".to_owned(),
            ),
            GoesOn::RootKeyMissing => (
                "it knows what others hold of this site, and needs the root key to start a new epoch".to_owned(),
                format!(
                    "put the root key into {}: a running daemon continues by itself, else run `starling restore`; \
                     remove it again afterwards",
                    self.identity.home.root_key_path().display()
                ),
            ),
            GoesOn::Frozen => (
                "its own log is frozen, because two histories of it were signed".to_owned(),
                "stop the daemon, and run `starling keys generate` at the copy whose history is the right one"
                    .to_owned(),
            ),
        };
        Some((why, advice))
    }

    /// Returns which claims are missing, which sites were asked for them, and what to do.
    fn advice_on_missing(
        &self,
        held: u64,
        of: u64,
        asked: &[(SiteId, Option<u64>)],
        unheard: &[SiteId],
    ) -> (String, String) {
        let missing = match of.saturating_sub(held) {
            0 | 1 => format!("claim {of}"),
            _ => format!("claims {} to {of}", held.saturating_add(1)),
        };
        if let Some((site, _)) = asked
            .iter()
            .find(|(_, holds)| holds.is_some_and(|holds| holds > held))
        {
            return (
                format!(
                    "{missing} of this site are still missing: {} holds them",
                    self.names_of(&[*site])
                ),
                "let `starling up` reach it, or import a bundle of it, exported without --to and -c; to give them up, \
                 `starling restore --alone`"
                    .to_owned(),
            );
        }
        let who: Vec<String> = asked
            .iter()
            .map(|(site, holds)| {
                let name = self.names_of(&[*site]);
                match holds {
                    None | Some(0) => format!("{name} has nothing of this log"),
                    Some(holds) => format!("{name} has it up to {holds}"),
                }
            })
            .collect();
        let who = if who.is_empty() {
            "it has heard from no site yet".to_owned()
        } else {
            who.join(", ")
        };
        let others = if unheard.is_empty() {
            "it has heard from every listed site".to_owned()
        } else {
            format!("not heard from: {}", self.names_of(unheard))
        };
        let bring = if unheard.is_empty() {
            "if a site that is not listed here, or an older bundle, may have them, import that; else they"
                .to_owned()
        } else {
            format!(
                "let `starling up` reach {}, or import a bundle of it; if it has them neither, they",
                self.names_of(unheard)
            )
        };
        (
            format!(
                "a head shows that {missing} of this site were signed, but no known site has them: {who}; {others}"
            ),
            format!(
                "{bring} were lost with the home: `starling restore --alone` continues from claim {held} and gives them up; \
                 then take the sources in again"
            ),
        )
    }

    /// Returns which of its own records the site lacks, and what will happen to them.
    fn advice_on_bodies(&self, lacks: u64, until: Option<UnixMillis>) -> (String, String) {
        let named = self.named_lacks();
        let anew = "the site restates its earlier claims about these records, or retracts them";
        match until {
            Some(until) => (
                format!("no site with its claims has {lacks} record bodies of them{named}"),
                format!("import a bundle of a site that has them; if none arrives until {until}, {anew}"),
            ),
            None => (
                format!("{lacks} record bodies of its own claims have not arrived yet{named}"),
                format!(
                    "let `starling up` reach the sites that hold its claims, or import a bundle of one that has them; if \
                     nobody has them, `starling restore --alone`: {anew}"
                ),
            ),
        }
    }

    /// Returns some of the records whose bodies are missing.
    fn named_lacks(&self) -> String {
        let lacked = self.data.store.lacked_own_bodies().unwrap_or_default();
        if lacked.named.is_empty() {
            return String::new();
        }
        let names: Vec<String> = lacked.named.iter().map(ToString::to_string).collect();
        let more = if lacked.count > names.len() { ", …" } else { "" };
        format!(" ({}{more})", names.join(", "))
    }

    fn names_of(&self, sites: &[SiteId]) -> String {
        let names: Vec<String> = sites
            .iter()
            .map(|site| {
                self.slug_of(site)
                    .map_or_else(|| site.to_string(), |slug| slug.to_string())
            })
            .collect();
        names.join(", ")
    }

    /// Returns the state of a site that does not sign; `None` if it signs.
    pub(crate) fn restore_status(&self) -> Option<types::RestoreStatus> {
        if let Some(hold) = self.identity.restore.held() {
            let ended = self.looks_on(&hold, now());
            let phase = match &ended {
                GoesOn::Waits(Waits::Missing { held, asked, .. })
                    if !asked
                        .iter()
                        .any(|(_, holds)| holds.is_some_and(|holds| holds > *held)) =>
                {
                    types::RestorePhase::ClaimsMissing
                }
                GoesOn::Waits(Waits::Missing { .. } | Waits::Bodies { .. }) | GoesOn::Now { .. } => {
                    types::RestorePhase::Recovering
                }
                GoesOn::RootKeyMissing => types::RestorePhase::RootKeyMissing,
                GoesOn::Frozen => types::RestorePhase::Frozen,
                _ => types::RestorePhase::Waiting,
            };
            let (waits_for, advice) = self.advice_on(&ended).unwrap_or_default();
            let listed = self.data.store.listed_sites().unwrap_or_default();
            return Some(types::RestoreStatus {
                phase,
                since: Some(hold.since().into()),
                reason: hold.why.clone(),
                waits_for,
                advice,
                heard: listed
                    .iter()
                    .filter(|site| hold.has_heard(&site.site))
                    .map(|site| (&site.slug).into())
                    .collect(),
            });
        }
        let chain = self.data.store.chain(&self.own_log().site).ok().flatten()?;
        if chain.is_current_key(&self.key().public()) {
            return self.own_log_lost();
        }
        Some(types::RestoreStatus {
            phase: types::RestorePhase::Superseded,
            since: Some(chain.current().body().issued_at.into()),
            reason: format!("another copy of this home started epoch {}", chain.epoch()),
            waits_for: "this copy's key is no longer valid".to_owned(),
            advice: SUPERSEDED.to_owned(),
            heard: Vec::new(),
        })
    }

    /// Returns the result of an attempt to continue, without changing anything.
    fn looks_on(&self, hold: &super::Hold, at: UnixMillis) -> GoesOn {
        let log = self.data.store.log(self.own_log()).ok().flatten();
        if log.is_some_and(|log| log.frozen) {
            return GoesOn::Frozen;
        }
        let is_outdated = self.is_outdated();
        let waits = match self.waits(hold, at) {
            Ok(Some(Waits::Missing { .. })) if is_outdated => self.waits_for_word(hold, at),
            waits => waits,
        };
        let waits = match waits {
            Ok(None) => self.waits_for_bodies(at),
            waits => waits,
        };
        match waits {
            Ok(Some(waits)) => GoesOn::Waits(waits),
            _ if !self.identity.home.has_root_key() => GoesOn::RootKeyMissing,
            // It is about to continue.
            _ => GoesOn::Now { epoch: 0 },
        }
    }
}
