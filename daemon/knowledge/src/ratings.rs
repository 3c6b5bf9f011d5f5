//! Severities and probabilities of exploitation: read from the view, ordered, and taken from other records.

use std::cmp::Reverse;
use std::collections::BTreeSet;

use starling_protocol::Source;
use starling_scanner::knowledge::Advisory;
use starling_scanner::severity::{StatedSeverity, choose};
use starling_scanner::threat::Probability;
use starling_view::{CanonicalAdvisory, Field, JsonText};

/// The severity type that contains the probability of exploitation.
const EPSS_KIND: &str = "EPSS";

/// Returns the probability of exploitation, if this is one.
pub(crate) fn epss_of(stated: &StatedSeverity) -> Option<Probability> {
    (stated.kind == EPSS_KIND)
        .then(|| stated.value.parse().ok())
        .flatten()
}

/// Returns true if a statement rates the severity of the vulnerability.
pub(crate) fn rates(one: &StatedSeverity) -> bool {
    choose(std::slice::from_ref(one), &[]).stated.is_some()
}

/// Returns true if the source rates the severity of the vulnerability.
pub(crate) fn has_rated(advisory: &Advisory, source: &str) -> bool {
    let mut own = advisory.severities.iter().filter(|own| own.source == source);
    own.any(rates)
}

/// Moves a source's worst rating to the front, if no decision exists about the authors of its record.
pub(crate) fn worst_first(severities: &mut [StatedSeverity], folded: &CanonicalAdvisory) {
    let sources: BTreeSet<&str> = folded
        .unresolved
        .iter()
        .map(|record| record.source.as_str())
        .collect();
    for source in sources {
        let places: Vec<usize> = (0..severities.len())
            .filter(|index| severities.get(*index).is_some_and(|one| one.source == source))
            .collect();
        let mut own: Vec<StatedSeverity> = places
            .iter()
            .filter_map(|index| severities.get(*index).cloned())
            .collect();
        own.sort_by_cached_key(|one| {
            let rating = choose(std::slice::from_ref(one), &[]);
            Reverse((epss_of(one), rating.level, rating.score))
        });
        // One rating per source is kept: within a source a newer kind of vector would be chosen, even if it is lower.
        let mut has_rated = false;
        for (index, mut one) in places.into_iter().zip(own) {
            if rates(&one) && std::mem::replace(&mut has_rated, true) {
                one.value.clear();
            }
            if let Some(place) = severities.get_mut(index) {
                *place = one;
            }
        }
    }
}

/// Adds the ratings of a record that does not name the package. A source's statement about the package itself has
/// priority: of each source the first rating record applies, and of all sources one probability.
pub(crate) fn add_from_elsewhere(advisory: &mut Advisory, source: &str, stated: &[StatedSeverity]) {
    let has_rated = has_rated(advisory, source);
    let has_epss = advisory.severities.iter().any(|own| epss_of(own).is_some());
    let is_news = |one: &&StatedSeverity| match epss_of(one) {
        Some(_) => !has_epss,
        None => !has_rated && rates(one),
    };
    let news = stated.iter().filter(is_news).map(|one| StatedSeverity {
        source: source.to_owned(),
        ..one.clone()
    });
    advisory.severities.extend(news.collect::<Vec<_>>());
}

/// Returns the severities of the chosen value, then of the others, each with its source.
pub fn stated_severities(field: &Field) -> Vec<StatedSeverity> {
    let winner = (&field.provenance, &field.value);
    let losers = field.losers.iter().map(|loser| (&loser.provenance, &loser.value));
    std::iter::once(winner)
        .chain(losers)
        .flat_map(|(provenance, value)| listed(&provenance.source, value))
        .collect()
}

/// Returns the severities of one list of this source, without those that cannot be read.
pub(crate) fn listed(source: &Source, list: &JsonText) -> Vec<StatedSeverity> {
    let list: Option<serde_json::Value> = serde_json::from_str(list.as_str()).ok();
    let listed = starling_scanner::osv::Severity::readable_of(list.as_ref());
    let stated = listed.into_iter().map(|severity| StatedSeverity {
        source: source.to_string(),
        kind: severity.kind,
        value: severity.score.0,
    });
    stated.collect()
}
