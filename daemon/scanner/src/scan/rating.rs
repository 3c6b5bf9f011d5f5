//! The severity of one finding: from its statements, else from the advisory's kind.

use super::ScanOptions;
use super::evidence::Evidence;
use crate::knowledge::Advisory;
use crate::severity::{Level, MALICIOUS, Rating, Scores, StatedSeverity, of_summary, reports_malice};

/// Rates a finding. A malicious package is critical, whatever its sources rate: an installed one is an incident.
pub(super) fn rate(
    advisory: &Advisory,
    evidence: &mut Evidence,
    scores: &mut Scores,
    options: &ScanOptions,
) -> Rating {
    let rating = stated_rating(advisory, evidence, scores, options);
    if rating.level >= Level::Critical {
        return rating;
    }
    let mark = advisory.severities.iter().find(|one| one.kind == MALICIOUS);
    let by_name = || {
        // A name alone does not outdo a rating: the record of that name may be withdrawn.
        let mut ids = advisory.ids.iter().chain([&advisory.vulnerability]);
        let id = ids.find(|id| rating.level == Level::Unknown && reports_malice(id))?;
        Some(StatedSeverity {
            source: "starling".to_owned(),
            kind: MALICIOUS.to_owned(),
            value: id.clone(),
        })
    };
    match mark.cloned().or_else(by_name) {
        Some(mark) => Rating {
            level: Level::Critical,
            score: None,
            stated: Some(mark),
        },
        None if rating.level == Level::Unknown => rating_by_kind(advisory, evidence),
        None => rating,
    }
}

/// Rates a finding by what sources state. A package's own severities come before the advisory's; those of sources that
/// are not in the order come last and never lower another rating.
fn stated_rating(
    advisory: &Advisory,
    evidence: &mut Evidence,
    scores: &mut Scores,
    options: &ScanOptions,
) -> Rating {
    let order = &options.severity_sources;
    // Without a decision between authors, the worse rating of their entries applies.
    let worst = if advisory.unresolved {
        let own = evidence.severities.iter().chain(&evidence.last_severities);
        let rated = own.map(|one| scores.choose(std::slice::from_ref(one), order));
        rated.max_by_key(|rating| (rating.level, rating.score))
    } else {
        None
    };
    let rating = if evidence.severities.is_empty() && evidence.last_severities.is_empty() {
        scores.choose(&advisory.severities, order)
    } else {
        let mut severities = std::mem::take(&mut evidence.severities);
        severities.extend(advisory.severities.iter().cloned());
        severities.append(&mut evidence.last_severities);
        scores.choose(&severities, order)
    };
    match worst {
        Some(worst) if (worst.level, worst.score) > (rating.level, rating.score) => worst,
        _ => rating,
    }
}

/// Rates a finding without a stated severity: by its summary, else by its class.
fn rating_by_kind(advisory: &Advisory, evidence: &Evidence) -> Rating {
    let source = advisory.provenance.first().map_or("", |p| p.source.as_str());
    let stated = |kind: &str, value: &str| {
        Some(StatedSeverity {
            source: source.to_owned(),
            kind: kind.to_owned(),
            value: value.to_owned(),
        })
    };
    if let Some(word) = of_summary(&advisory.summary) {
        return Rating {
            level: word.parse().unwrap_or_default(),
            score: None,
            stated: stated("summary", word),
        };
    }
    // Not a vulnerability, so there is nothing to rate.
    match evidence.informational.as_deref() {
        Some(kind) => Rating {
            level: Level::None,
            score: None,
            stated: stated("informational", kind),
        },
        None => Rating::default(),
    }
}
