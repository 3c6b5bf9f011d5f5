//! Applies the federation's mutes to the findings of one scan.

use std::collections::BTreeMap;

use serde::Serialize;
use starling_documents::mutes::{Mute, Mutes};
use starling_protocol::UnixMillis;
use starling_scanner::purl::PackageUrl;
use starling_scanner::scan::Finding;

use crate::glob::Glob;
use crate::rule::{RuleState, state_at};
use crate::terms::Expiry;
use crate::vex::is_about;

/// The result of one mute in one scan.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct MuteReport {
    /// The mute.
    pub id: String,
    /// The muted vulnerability, as given in the mute.
    pub vulnerability: String,
    /// True if it has not expired.
    pub state: RuleState,
    /// Number of findings that it muted; for an expired mute, the number that it would have muted.
    pub matched: u64,
    /// Identity of the site that signed it.
    pub site: String,
    /// The person, as stated by that site.
    pub by: String,
    /// The reason.
    pub reason: String,
    /// The time, by that site's clock.
    #[serde(serialize_with = "crate::terms::as_text")]
    pub created: UnixMillis,
    /// Last time at which it applies.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub until: Option<Expiry>,
}

/// The mutes for one SBOM at one time.
#[derive(Debug)]
pub(crate) struct MuteIndex<'a> {
    mutes: &'a Mutes,
    sbom: Names<'a>,
    as_of: UnixMillis,
    notice_seconds: u64,
    /// By index in the list: the number of findings that each one muted, or would have muted.
    matched: BTreeMap<&'a str, (&'a Mute, u64)>,
}

/// The names of an SBOM in a mute.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Names<'a> {
    /// Its subject, if it has one.
    pub(crate) subject: Option<&'a str>,
    /// BLAKE3 of its bytes, as `blake3:<hex>`.
    pub(crate) hash: &'a str,
}

impl<'a> MuteIndex<'a> {
    pub(crate) fn new(mutes: &'a Mutes, sbom: Names<'a>, as_of: UnixMillis, notice_seconds: u64) -> Self {
        Self {
            mutes,
            sbom,
            as_of,
            notice_seconds,
            matched: BTreeMap::new(),
        }
    }

    /// Returns the mute of a finding: the oldest one that matches and has not expired; if several are equally old,
    /// the one with the lowest id.
    pub(crate) fn settle(&mut self, finding: &Finding) -> Option<&'a Mute> {
        let mutes = self.mutes;
        if mutes.all().is_empty() {
            return None;
        }
        let names = finding.ids.iter().filter(|id| **id != finding.vulnerability);
        let names = names.chain([&finding.vulnerability]);
        let fitting = names
            .flat_map(|id| mutes.of(id))
            .filter(|mute| self.fits(mute, finding));
        let mut fitting: Vec<&'a Mute> = fitting.collect();
        fitting.sort_by(|a, b| (a.text.created, &a.id).cmp(&(b.text.created, &b.id)));
        let counts = |mute: &&&Mute| self.state(mute) != RuleState::Expired;
        let decides = fitting.iter().find(counts).copied();
        // No active mute matches: count the expired ones that would have applied.
        let noted = decides.or(fitting.first().copied())?;
        self.matched.entry(noted.id.as_str()).or_insert((noted, 0)).1 += 1;
        decides
    }

    fn state(&self, mute: &Mute) -> RuleState {
        state_at(mute.text.until.map(Expiry), self.as_of, self.notice_seconds)
    }

    fn fits(&self, mute: &Mute, finding: &Finding) -> bool {
        let (text, package) = (&mute.text, &finding.package);
        let bare = package.ecosystem.split(':').next().unwrap_or_default();
        let ecosystem = text.ecosystem.as_deref();
        ecosystem.is_none_or(|pattern| matches(pattern, &package.ecosystem) || matches(pattern, bare))
            && text.package.as_deref().is_none_or(|said| is_of(said, finding))
            && text
                .sbom
                .as_deref()
                .is_none_or(|pattern| self.is_this_sbom(pattern))
    }

    fn is_this_sbom(&self, pattern: &str) -> bool {
        matches(pattern, self.sbom.hash) || self.sbom.subject.is_some_and(|subject| matches(pattern, subject))
    }

    /// Returns the results of the mutes that matched, and of those for this SBOM that matched nothing; by id.
    pub(crate) fn into_reports(self) -> Vec<MuteReport> {
        let mut reports: Vec<MuteReport> = self
            .matched
            .values()
            .map(|(mute, matched)| self.report(mute, *matched))
            .collect();
        let idle = self.mutes.all().iter().filter(|mute| {
            mute.text
                .sbom
                .as_deref()
                .is_some_and(|pattern| self.is_this_sbom(pattern))
                && !self.matched.contains_key(mute.id.as_str())
                && self.state(mute) != RuleState::Expired
        });
        reports.extend(idle.map(|mute| self.report(mute, 0)));
        reports.sort_by(|a, b| a.id.cmp(&b.id));
        reports
    }

    fn report(&self, mute: &Mute, matched: u64) -> MuteReport {
        MuteReport {
            id: mute.id.to_string(),
            vulnerability: mute.text.vulnerability.clone(),
            state: self.state(mute),
            matched,
            site: mute.site.to_string(),
            by: mute.text.by.clone(),
            reason: mute.text.reason.clone(),
            created: mute.text.created,
            until: mute.text.until.map(Expiry),
        }
    }
}

/// Returns true if a mute's package is the finding's package. A package URL means exactly that package (and version, if
/// given); any other text is a pattern for the name and the complete package URL.
fn is_of(said: &str, finding: &Finding) -> bool {
    let package = &finding.package;
    if said.starts_with("pkg:")
        && !said.contains('*')
        && let Ok(said) = PackageUrl::parse_lenient(said)
    {
        // If several packages were built from one source, all of them must match.
        let is_meant =
            |found: &str| PackageUrl::parse_lenient(found).is_ok_and(|found| is_about(&said, &found));
        return package.purls().all(is_meant);
    }
    matches(said, &package.name) || package.purls().all(|purl| matches(said, purl))
}

/// Returns the pattern; an invalid pattern matches nothing.
fn matches(pattern: &str, name: &str) -> bool {
    Glob::new(pattern).is_ok_and(|pattern| pattern.matches(name))
}
