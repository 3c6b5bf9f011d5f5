//! Decides which records' statements about a package apply, and which are only shown beside them.
//!
//! Each live record that names the package makes a *statement*: the entries of its `affected` about the
//! package. Statements are not folded. Under [`Ranges::Any`] each applies separately, with two exceptions:
//!
//! - A copy of a record whose id belongs to another source, while the site holds that source's own record: one
//!   id is one statement, and a stale mirror must not contradict its origin.
//! - A statement of a source without authority over the package's ecosystem, if a source with authority has
//!   one.
//!
//! Under [`Ranges::Preferred`] only the first record in fold order applies.

use std::ops::ControlFlow;

use serde::Serialize;
use starling_protocol::Source;

use crate::error::ViewError;
use crate::fold::{ContributingRecord, in_fold_order};
use crate::package::PackageId;
use crate::policy::{CompiledPolicy, Ranges, owners_of};
use crate::ports::RecordKey;
use crate::reading::records_with_id;
use crate::rows::Rows;
use crate::vulnerability::VulnerabilityId;

/// The weight of a statement about a package.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Weight {
    /// It applies separately.
    Counts,
    /// It applies, but no order lists its source, so that its severities come after all others.
    CountsLast,
    /// A source with authority over the package's ecosystem has a statement, and this is not from one.
    Outranked,
    /// It is a copy of a record whose own source is held here.
    Mirrored,
    /// Another one is preferred, and [`Ranges::Preferred`] applies only one.
    NotPreferred,
}

impl Weight {
    /// Returns true if it takes part in the judgement.
    #[must_use]
    pub const fn counts(self) -> bool {
        matches!(self, Self::Counts | Self::CountsLast)
    }
}

/// Weighs the live records of an advisory, given in fold order.
pub(crate) fn weigh<R: Rows>(
    rows: &R,
    policy: &CompiledPolicy,
    package: &PackageId,
    live: &[&ContributingRecord],
) -> Result<Vec<Weight>, ViewError> {
    if policy.ranges() == Ranges::Preferred {
        // Each content of an undecided record applies.
        let first = live.first().map(|feeding| &feeding.record);
        let weight = |feeding: &&ContributingRecord| match Some(&feeding.record) == first {
            true => Weight::Counts,
            false => Weight::NotPreferred,
        };
        return Ok(live.iter().map(weight).collect());
    }
    let mut weights = Vec::with_capacity(live.len());
    for feeding in live {
        weights.push(if is_mirrored(rows, &feeding.record)? {
            Weight::Mirrored
        } else if policy.names_source(&feeding.record.source) {
            Weight::Counts
        } else {
            Weight::CountsLast
        });
    }
    if let PackageId::Package { ecosystem, .. } = package {
        let has_authority =
            |feeding: &ContributingRecord| policy.has_authority(&feeding.record.source, ecosystem);
        let mut both = live.iter().zip(&weights);
        if both.any(|(feeding, weight)| weight.counts() && has_authority(feeding)) {
            for (feeding, weight) in live.iter().zip(&mut weights) {
                if weight.counts() && !has_authority(feeding) {
                    *weight = Weight::Outranked;
                }
            }
        }
    }
    Ok(weights)
}

/// Returns the weight that a withdrawn record's statement would have beside the live ones, if it were live too.
pub(crate) fn weight_if_live<R: Rows>(
    rows: &R,
    policy: &CompiledPolicy,
    package: &PackageId,
    feeding: &[ContributingRecord],
    withdrawn: &ContributingRecord,
) -> Result<Weight, ViewError> {
    let live = ContributingRecord {
        is_withdrawn: false,
        ..withdrawn.clone()
    };
    let mut together: Vec<&ContributingRecord> =
        feeding.iter().filter(|record| !record.is_withdrawn).collect();
    together.push(&live);
    together.sort_by(|a, b| in_fold_order(policy, a, b));
    let weights = weigh(rows, policy, package, &together)?;
    let mut both = together.iter().zip(weights);
    let own = both.find(|(record, _)| record.record == live.record && record.content == live.content);
    Ok(own.map_or(Weight::Counts, |(_, weight)| weight))
}

/// Returns true if the id belongs to another source and that source's own record is held.
fn is_mirrored<R: Rows>(rows: &R, record: &RecordKey) -> Result<bool, ViewError> {
    let id = VulnerabilityId::of_record(&record.id);
    let owners = owners_of(id.as_str());
    let is_owner = |source: &Source| owners.contains(&source.as_str());
    if owners.is_empty() || is_owner(&record.source) {
        return Ok(false);
    }
    let mut is_held = false;
    records_with_id(rows, &id, |found, row| {
        is_held = is_owner(&found.source) && row.state.contributes();
        if is_held {
            ControlFlow::Break(())
        } else {
            ControlFlow::Continue(())
        }
    })?;
    Ok(is_held)
}
