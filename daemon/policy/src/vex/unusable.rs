//! Why statements of a VEX document do not apply, counted by reason.

use std::collections::BTreeMap;

use serde::Serialize;

/// A reason why a statement does not apply. There are only these, so that any document has a short list.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum UnusableReason {
    /// It names no product that is a package URL or a component of an SBOM.
    NoPackage,
    /// It says that a package is fixed, and does not say in which version.
    NoVersion,
    /// It says that a product is not affected, and does not say why.
    NoJustification,
    /// It names no vulnerability.
    NoVulnerability,
    /// Its document is a draft, or no VEX document by its own category, and settles nothing.
    NotInForce,
    /// Its status has no meaning in its kind of document.
    UnknownStatus,
}

impl UnusableReason {
    /// All of them.
    pub const ALL: [Self; 6] = [
        Self::NoPackage,
        Self::NoVersion,
        Self::NoJustification,
        Self::NoVulnerability,
        Self::NotInForce,
        Self::UnknownStatus,
    ];

    /// Returns its code, as verdicts write it.
    #[must_use]
    pub const fn code(self) -> &'static str {
        match self {
            Self::NoPackage => "no_package",
            Self::NoVersion => "no_version",
            Self::NoJustification => "no_justification",
            Self::NoVulnerability => "no_vulnerability",
            Self::NotInForce => "not_in_force",
            Self::UnknownStatus => "unknown_status",
        }
    }

    /// Returns the reason in words.
    #[must_use]
    pub const fn words(self) -> &'static str {
        match self {
            Self::NoPackage => "no product that is a package URL or a component of an SBOM",
            Self::NoVersion => "fixed, without the version that has the fix",
            Self::NoJustification => "not affected, without a justification or an impact statement",
            Self::NoVulnerability => "no vulnerability",
            Self::NotInForce => "the document is not in force",
            Self::UnknownStatus => "unknown status",
        }
    }
}

/// The numbers of statements that do not apply, by reason.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
#[serde(transparent)]
pub struct Unusable(BTreeMap<UnusableReason, u64>);

impl Unusable {
    pub(super) fn add(&mut self, reason: UnusableReason, number: u64) {
        if number > 0 {
            *self.0.entry(reason).or_default() += number;
        }
    }

    /// Returns the number of all of them.
    #[must_use]
    pub fn total(&self) -> u64 {
        self.0.values().sum()
    }

    /// Returns true if every statement applies.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Lists each reason with its number.
    pub fn iter(&self) -> impl Iterator<Item = (UnusableReason, u64)> + '_ {
        self.0.iter().map(|(reason, number)| (*reason, *number))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn codes_are_those_of_verdicts() {
        for reason in UnusableReason::ALL {
            assert_eq!(serde_json::to_value(reason).unwrap(), reason.code());
        }
    }
}
