//! Coverage: the share of an inventory that was checked, so that "no findings" cannot hide "not checked".

use serde::Serialize;

/// The standing of one component.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Standing {
    /// Checked: its package was looked up and its version has a place in the order.
    Matched,
    /// It has no version, or one that its ecosystem cannot order.
    Unversioned,
    /// No advisories exist for its ecosystem, or the ecosystem has no order.
    UnsupportedEcosystem,
    /// A distribution's package without a release.
    NoDistro,
    /// The ecosystem is supported, but this site has no advisories about it.
    NoKnowledge,
    /// An advisory names the package and could not be evaluated (a range of commits, for example); or the knowledge
    /// covers it only partly: its source package is unknown, although advisories name sources, or it has a finding
    /// although the site has no knowledge of its release.
    Undecided,
    /// It has no readable package URL.
    Unknown,
    /// A file, container or other thing without advisories, or the document's own subject.
    NotAPackage,
}

impl Standing {
    /// Returns true if it may have an undetected vulnerability.
    pub fn is_gap(self) -> bool {
        !matches!(self, Self::Matched | Self::NotAPackage)
    }
}

/// Numbers of components by standing.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize)]
pub struct Coverage {
    /// See [`Standing::Matched`].
    pub matched: u64,
    /// See [`Standing::Unversioned`].
    pub unversioned: u64,
    /// See [`Standing::UnsupportedEcosystem`].
    pub unsupported_ecosystem: u64,
    /// See [`Standing::NoDistro`].
    pub no_distro: u64,
    /// See [`Standing::NoKnowledge`].
    pub no_knowledge: u64,
    /// See [`Standing::Undecided`].
    pub undecided: u64,
    /// See [`Standing::Unknown`].
    pub unknown: u64,
    /// See [`Standing::NotAPackage`]; these do not count towards the total.
    pub not_a_package: u64,
}

impl Coverage {
    pub(super) fn count(&mut self, standing: Standing) {
        let counter = match standing {
            Standing::Matched => &mut self.matched,
            Standing::Unversioned => &mut self.unversioned,
            Standing::UnsupportedEcosystem => &mut self.unsupported_ecosystem,
            Standing::NoDistro => &mut self.no_distro,
            Standing::NoKnowledge => &mut self.no_knowledge,
            Standing::Undecided => &mut self.undecided,
            Standing::Unknown => &mut self.unknown,
            Standing::NotAPackage => &mut self.not_a_package,
        };
        *counter += 1;
    }

    /// Adds the counts of another part of the inventory.
    pub(super) fn add(&mut self, other: Self) {
        let Self {
            matched,
            unversioned,
            unsupported_ecosystem,
            no_distro,
            no_knowledge,
            undecided,
            unknown,
            not_a_package,
        } = other;
        self.matched += matched;
        self.unversioned += unversioned;
        self.unsupported_ecosystem += unsupported_ecosystem;
        self.no_distro += no_distro;
        self.no_knowledge += no_knowledge;
        self.undecided += undecided;
        self.unknown += unknown;
        self.not_a_package += not_a_package;
    }

    /// Returns the number of packages.
    pub fn total(&self) -> u64 {
        self.matched
            + self.unversioned
            + self.unsupported_ecosystem
            + self.no_distro
            + self.no_knowledge
            + self.undecided
            + self.unknown
    }

    /// Returns the share of packages that were checked, in hundredths of a percent (0 to 10,000); `None` without
    /// packages.
    pub fn basis_points(&self) -> Option<u64> {
        (self.matched * 10_000).checked_div(self.total())
    }
}
