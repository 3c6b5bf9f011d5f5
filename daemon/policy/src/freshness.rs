//! Freshness of knowledge: the sources that a document's packages depend on, and how long each may be silent.

use std::collections::{BTreeMap, BTreeSet};

use serde::Serialize;
use starling_protocol::UnixMillis;
use starling_scanner::scan::ScanResult;

use crate::knowledge::{KnowledgeState, UncheckedSource};
use crate::policy::Policy;
use crate::terms::{Reason, ReasonCode, as_text};
use crate::units::show_span;

/// The sources with statements about an ecosystem of the document.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct VerdictEcosystem {
    /// The ecosystem, without suffix.
    pub ecosystem: String,
    /// The sources, each with its newest check, sorted.
    pub sources: Vec<SpeakingSource>,
}

/// A source with statements about an ecosystem.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct SpeakingSource {
    /// The source.
    pub source: String,
    /// Its newest check; missing if it was never checked completely.
    #[serde(skip_serializing_if = "Option::is_none", serialize_with = "optional")]
    pub last_checked: Option<UnixMillis>,
}

fn optional<S: serde::Serializer>(time: &Option<UnixMillis>, serializer: S) -> Result<S::Ok, S::Error> {
    match time {
        Some(time) => as_text(time, serializer),
        None => serializer.serialize_none(),
    }
}

/// Lists the document's ecosystems with their sources.
pub(crate) fn ecosystems_of(result: &ScanResult, knowledge: &KnowledgeState) -> Vec<VerdictEcosystem> {
    let checks: BTreeMap<&str, UnixMillis> = knowledge
        .sources
        .iter()
        .map(|check| (check.source.as_str(), check.last_checked))
        .collect();
    let speaking = |source: &String| SpeakingSource {
        last_checked: checks.get(source.as_str()).copied(),
        source: source.clone(),
    };
    let ecosystems = result.ecosystems.iter();
    ecosystems
        .map(|(ecosystem, sources)| VerdictEcosystem {
            ecosystem: ecosystem.clone(),
            sources: sources.iter().flatten().map(speaking).collect(),
        })
        .collect()
}

/// Returns the sources that the document depends on; `None` if this is unknown, so that all sources apply.
fn speakers(result: &ScanResult) -> Option<BTreeSet<&str>> {
    let mut speakers = BTreeSet::new();
    for sources in result.ecosystems.values() {
        speakers.extend(sources.as_ref()?.iter().map(String::as_str));
    }
    (!result.ecosystems.is_empty()).then_some(speakers)
}

/// Returns the reasons why knowledge is too old.
pub(crate) fn freshness_reasons(
    policy: &Policy,
    result: &ScanResult,
    knowledge: &KnowledgeState,
    as_of: UnixMillis,
    reasons: &mut Vec<Reason>,
) {
    let speakers = speakers(result);
    let counts = |source: &str| speakers.as_ref().is_none_or(|speakers| speakers.contains(source));
    let age_of = |time: UnixMillis| as_of.as_millis().saturating_sub(time.as_millis());
    let mut say = |code, text| reasons.push(Reason { code, text });
    for head in knowledge.heads.iter().collect::<BTreeSet<_>>() {
        if head.expires < as_of && head.sources.iter().any(|source| counts(source)) {
            let (site, expires) = (&head.site, head.expires);
            let text =
                format!("the head of {site} expired at {expires}: nothing was heard of that site since");
            say(ReasonCode::HeadExpired, text);
        }
    }
    let checks = knowledge.sources.iter().collect::<BTreeSet<_>>();
    let checks = checks.into_iter().filter(|check| counts(&check.source));
    let unchecked = knowledge.unchecked.iter().collect::<BTreeSet<_>>();
    let unchecked = unchecked
        .into_iter()
        .filter(|unchecked| counts(&unchecked.source));
    let Some(max_age) = policy.max_age_seconds else {
        let heard = checks.map(|check| (&check.source, Some(check.last_checked)));
        let freshness = &policy.freshness;
        let unchecked: Vec<&UncheckedSource> = unchecked.collect();
        if freshness.required {
            let parts = unchecked.iter().map(|unchecked| &unchecked.source);
            for source in parts.filter(|source| !freshness.is_partial(source)) {
                say(ReasonCode::SourceInPart, in_part(source));
            }
        }
        let heard = heard.chain(unchecked.into_iter().map(|one| (&one.source, one.last_heard)));
        for (source, last) in heard {
            let rhythm = policy.freshness.rhythm_of(source);
            let silent = match last {
                Some(last) if age_of(last) <= rhythm.saturating_mul(1_000) => continue,
                Some(last) => format!("was last heard of at {last}"),
                None => "was never heard of as a whole".to_owned(),
            };
            let rhythm = show_span(rhythm);
            let text = format!("source {source} is stale: it {silent}, and its rhythm is {rhythm}");
            say(ReasonCode::SourceSilent, text);
        }
        return;
    };
    if knowledge.sources.is_empty() && knowledge.unchecked.is_empty() && knowledge.advisories > 0 {
        let text = "no source says when it was last checked".to_owned();
        say(ReasonCode::KnowledgeStale, text);
    }
    for check in checks {
        if age_of(check.last_checked) > max_age.saturating_mul(1_000) {
            let text = format!(
                "source {} is stale: it was last checked {}, more than {max_age} s before {as_of}",
                check.source, check.last_checked
            );
            say(ReasonCode::KnowledgeStale, text);
        }
    }
    for UncheckedSource { source, last_heard } in unchecked {
        let is_partial = policy.freshness.names_part(source);
        let text = match last_heard.filter(|_| is_partial) {
            Some(last) if age_of(last) <= max_age.saturating_mul(1_000) => continue,
            Some(last) => format!(
                "source {source} is stale: it is held in part, and was last imported {last}, more than {max_age} s before \
                 {as_of}"
            ),
            None => format!(
                "source {source} was never checked: no site has taken it in as a whole, so it counts as stale"
            ),
        };
        say(ReasonCode::KnowledgeStale, text);
    }
}

/// Returns the sentence about a source that was never taken in as a whole, and how that ends.
fn in_part(source: &str) -> String {
    format!(
        "source {source} was never imported as a whole, so no scan finds what is missing: `starling feeds import PATH --source \
         {source} --complete` imports it if PATH holds the whole source, and so does a feed; scan.partial_sources names \
         sources that are held in part on purpose"
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::knowledge::{HeadExpiry, SourceCheck};
    use crate::policy::EVERY_SOURCE;
    use crate::tests::knowledge;

    fn reasons_at(days: u64, policy: &Policy, ecosystem: &str) -> Vec<String> {
        let day = |days: u64| UnixMillis::saturating(days * 86_400_000);
        let state = KnowledgeState {
            sources: vec![
                SourceCheck {
                    source: "debian".into(),
                    last_checked: day(1),
                },
                SourceCheck {
                    source: "ghsa".into(),
                    last_checked: day(20),
                },
            ],
            unchecked: vec![UncheckedSource {
                source: "mine".into(),
                last_heard: Some(day(19)),
            }],
            heads: vec![HeadExpiry {
                site: "site-b".into(),
                expires: day(21),
                sources: vec!["ghsa".into()],
            }],
            ..knowledge()
        };
        let sources = |names: &[&str]| Some(names.iter().map(|name| (*name).to_owned()).collect());
        let all = BTreeMap::from([
            ("npm".to_owned(), sources(&["ghsa", "mine"])),
            ("Debian".to_owned(), sources(&["debian"])),
        ]);
        let result = ScanResult {
            ecosystems: all.into_iter().filter(|(name, _)| name == ecosystem).collect(),
            ..ScanResult::default()
        };
        let mut reasons = Vec::new();
        freshness_reasons(policy, &result, &state, day(days), &mut reasons);
        reasons.into_iter().map(|reason| reason.text).collect()
    }

    #[test]
    fn sources_of_other_ecosystems_do_not_matter() {
        let policy = Policy::default();
        assert!(reasons_at(20, &policy, "npm").is_empty());
        assert_eq!(reasons_at(20, &policy, "Debian").len(), 1);
        // For a document without a known ecosystem, every source applies.
        assert_eq!(reasons_at(20, &policy, "none").len(), 1);
        let strict = Policy {
            max_age_seconds: Some(86_400),
            ..Policy::default()
        };
        let named = reasons_at(21, &strict, "npm");
        assert_eq!(
            named,
            ["source mine was never checked: no site has taken it in as a whole, so it counts as stale"]
        );
    }

    #[test]
    fn required_freshness_needs_whole_sources_or_their_names() {
        let mut policy = Policy::default();
        policy.freshness.required = true;
        let named = reasons_at(20, &policy, "npm");
        assert_eq!(named.len(), 1, "{named:?}");
        assert!(
            named[0].starts_with("source mine was never imported as a whole")
                && named[0].contains("`starling feeds import PATH --source mine --complete`")
                && named[0].contains("scan.partial_sources"),
            "{named:?}"
        );
        // Sources of other ecosystems do not matter here either.
        assert_eq!(reasons_at(2, &policy, "Debian").len(), 0);
        // Held in part on purpose: the last import counts, as old as it may be.
        for listed in ["mine", EVERY_SOURCE] {
            policy.freshness.partial = BTreeSet::from([listed.to_owned()]);
            assert!(reasons_at(20, &policy, "npm").is_empty(), "{listed}");
            let old = reasons_at(27, &policy, "npm");
            assert!(
                old.iter().any(|text| text.starts_with("source mine is stale")),
                "{old:?}"
            );
        }
        policy.freshness.partial = BTreeSet::from(["other".to_owned()]);
        assert_eq!(reasons_at(20, &policy, "npm").len(), 1);
    }

    #[test]
    fn greatest_age_applies_to_the_last_import_of_a_listed_part() {
        let mut policy = Policy {
            max_age_seconds: Some(2 * 86_400),
            ..Policy::default()
        };
        policy.freshness.partial.insert("mine".to_owned());
        assert!(reasons_at(20, &policy, "npm").is_empty());
        let old = reasons_at(22, &policy, "npm");
        assert!(
            old.iter()
                .any(|text| text.starts_with("source mine is stale: it is held in part")),
            "{old:?}"
        );
        // `*` names no source: whoever demands an age demands it of whole sources.
        policy.freshness.partial = BTreeSet::from([EVERY_SOURCE.to_owned()]);
        let never = reasons_at(20, &policy, "npm");
        assert!(
            never
                .iter()
                .any(|text| text.starts_with("source mine was never checked")),
            "{never:?}"
        );
    }

    #[test]
    fn silence_is_compared_with_the_sources_rhythm() {
        let mut policy = Policy::default();
        policy.freshness.rhythms.insert("ghsa".into(), 30 * 86_400);
        let named = reasons_at(28, &policy, "npm");
        assert_eq!(named.len(), 2, "{named:?}");
        assert!(
            named[0].starts_with("the head of site-b expired at "),
            "{named:?}"
        );
        assert!(
            named[1].starts_with("source mine is stale: it was last heard of at "),
            "{named:?}"
        );
        assert_eq!(reasons_at(51, &policy, "npm").len(), 3);
    }
}
