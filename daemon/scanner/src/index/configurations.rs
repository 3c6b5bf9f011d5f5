//! The stored form of configurations.

use serde::{Deserialize, Serialize};

use crate::cpe::{Applicability, Bound, Cpe, Platform, ProductMatch};

/// One statement about a product.
#[derive(Debug, Serialize, Deserialize)]
pub(super) struct StoredApplicability {
    matches: Vec<StoredMatch>,
    /// Names, and the number of others.
    platforms: Vec<(Vec<String>, u32)>,
    is_negated: bool,
    is_cut: bool,
}

#[derive(Debug, Serialize, Deserialize)]
struct StoredMatch {
    criteria: String,
    /// Version, and true if it is included.
    start: Option<(String, bool)>,
    end: Option<(String, bool)>,
    is_unreadable: bool,
}

impl From<&Applicability> for StoredApplicability {
    fn from(statement: &Applicability) -> Self {
        let bound = |bound: &Bound| (bound.version.clone(), bound.is_included);
        let one = |one: &ProductMatch| StoredMatch {
            criteria: one.criteria.to_string(),
            start: one.start.as_ref().map(bound),
            end: one.end.as_ref().map(bound),
            is_unreadable: one.is_unreadable,
        };
        let platform = |platform: &Platform| (platform.names.clone(), platform.others);
        Self {
            matches: statement.matches.iter().map(one).collect(),
            platforms: statement.platforms.iter().map(platform).collect(),
            is_negated: statement.is_negated,
            is_cut: statement.is_cut,
        }
    }
}

impl StoredApplicability {
    /// Returns the statement; a name that cannot be read leaves it in doubt.
    pub(super) fn read(&self) -> Applicability {
        let bound = |bound: &(String, bool)| Bound {
            version: bound.0.clone(),
            is_included: bound.1,
        };
        let one = |one: &StoredMatch| {
            let criteria = Cpe::parse(&one.criteria);
            ProductMatch {
                is_unreadable: one.is_unreadable || criteria.is_err(),
                criteria: criteria.unwrap_or_default(),
                start: one.start.as_ref().map(bound),
                end: one.end.as_ref().map(bound),
            }
        };
        let platform = |(names, others): &(Vec<String>, u32)| Platform {
            names: names.clone(),
            others: *others,
        };
        Applicability {
            matches: self.matches.iter().map(one).collect(),
            platforms: self.platforms.iter().map(platform).collect(),
            is_negated: self.is_negated,
            is_cut: self.is_cut,
        }
    }
}
