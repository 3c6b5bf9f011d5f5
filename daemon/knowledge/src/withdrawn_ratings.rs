//! Ratings by withdrawn records: where they stand among those of live records until their withdrawal.

use std::cmp::Ordering;

use starling_protocol::Source;
use starling_scanner::knowledge::{Advisory, WithdrawnRating};
use starling_scanner::severity::{StatedSeverity, choose};
use starling_view::CompiledPolicy;

use crate::ratings::{epss_of, rates};

/// The way in which a withdrawn record belongs to an advisory.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Relation {
    /// It names the package.
    Contributes,
    /// It is about the same vulnerability and does not name the package.
    SameVulnerability,
    /// It is about a vulnerability that leads to the advisory without naming it.
    Related,
}

/// Returns the rating by a withdrawn record of `source`, at its place among the advisory's ratings.
///
/// It is as if the record were live: a record that names the package rates in the order of the sources, another one
/// after those that name it. Of two ratings of one source, the worse applies. The time of withdrawal is the caller's.
pub(crate) fn withdrawn_rating(
    advisory: &Advisory,
    policy: &CompiledPolicy,
    source: &Source,
    stated: &[StatedSeverity],
    relation: Relation,
) -> WithdrawnRating {
    let epss = stated.iter().filter_map(epss_of).max();
    let mut severities: Vec<StatedSeverity> = stated.iter().filter(|one| rates(one)).cloned().collect();
    for one in &mut severities {
        one.source = source.to_string();
    }
    let place = match relation {
        Relation::Contributes => place_in_order(advisory, policy, source),
        Relation::SameVulnerability | Relation::Related => {
            place_after_live(advisory, source, &mut severities)
        }
    };
    let own = advisory.severities.get(place..).unwrap_or_default();
    if own.starts_with(&severities) {
        severities.clear();
    }
    WithdrawnRating {
        until: None,
        place,
        severities,
        kev: false,
        epss,
    }
}

/// Returns the place before the first rating of a source that the order does not put before this one.
fn place_in_order(advisory: &Advisory, policy: &CompiledPolicy, source: &Source) -> usize {
    let stands_before = |one: &StatedSeverity| {
        let other = one.source.parse::<Source>();
        other.is_ok_and(|other| policy.compare_sources(&other, source) == Ordering::Less)
    };
    let severities = &advisory.severities;
    let first = severities.iter().position(|one| !stands_before(one));
    first.unwrap_or(severities.len())
}

/// Returns the place after all live ratings, or before those of the same source if they are milder. Ratings that
/// are not worse than those are removed.
fn place_after_live(advisory: &Advisory, source: &Source, severities: &mut Vec<StatedSeverity>) -> usize {
    let live = &advisory.severities;
    let is_own = |one: &&StatedSeverity| one.source == source.as_str();
    let own: Vec<StatedSeverity> = live.iter().filter(is_own).cloned().collect();
    let (own, withdrawn) = (choose(&own, &[]), choose(severities, &[]));
    if own.stated.is_none() {
        return live.len();
    }
    if (withdrawn.level, withdrawn.score) <= (own.level, own.score) {
        severities.clear();
    }
    live.iter().position(|one| is_own(&one)).unwrap_or(live.len())
}
