//! The severity of one finding: from its statements, else from the advisory's kind.

use super::ScanOptions;
use super::evidence::Evidence;
use crate::knowledge::Advisory;
use crate::severity::{Level, Rating, Scores, StatedSeverity, of_summary};

/// Rates a finding. A package's own severities come before the advisory's; those of sources that are not in the order
/// come last and never lower another rating.
pub(super) fn rate(
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
    let rating = match worst {
        Some(worst) if (worst.level, worst.score) > (rating.level, rating.score) => worst,
        _ => rating,
    };
    if rating.level != Level::Unknown {
        return rating;
    }
    let stated = |source: &str, kind: &str, value: &str| {
        Some(StatedSeverity {
            source: source.to_owned(),
            kind: kind.to_owned(),
            value: value.to_owned(),
        })
    };
    let source = advisory.provenance.first().map_or("", |p| p.source.as_str());
    // Reports of malicious packages have no severity: an installed one is an incident.
    let mut ids = advisory.ids.iter().chain([&advisory.vulnerability]);
    if let Some(id) = ids.find(|id| id.starts_with("MAL-")) {
        return Rating {
            level: Level::Critical,
            score: None,
            stated: stated("starling", "malicious-package", id),
        };
    }
    if let Some(word) = of_summary(&advisory.summary) {
        return Rating {
            level: word.parse().unwrap_or_default(),
            score: None,
            stated: stated(source, "summary", word),
        };
    }
    // Not a vulnerability, so there is nothing to rate.
    match evidence.informational.as_deref() {
        Some(kind) => Rating {
            level: Level::None,
            score: None,
            stated: stated(source, "informational", kind),
        },
        None => rating,
    }
}
