//! How much of an inventory could be judged, so that "no findings" cannot hide "not looked at".

use serde::Serialize;

/// What became of one component.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Standing {
    /// Judged: its package was looked up and its version has a place in the order.
    Matched,
    /// It has no version, or one that its ecosystem cannot order.
    Unversioned,
    /// No advisories exist for its ecosystem, or the ecosystem has no order.
    UnsupportedEcosystem,
    /// A distribution's package without a word on the release.
    NoDistro,
    /// The ecosystem is fine, but this site's knowledge holds nothing about it.
    NoKnowledge,
    /// An advisory names the package and could not be evaluated (a range of commits, say); or what is known reaches it
    /// in part only: nothing names the source package that advisories are about, or something was found for it
    /// without any knowledge of its release.
    Undecided,
    /// It has no package URL that can be read.
    Unknown,
    /// A file, container or other thing that advisories do not name, or the document's own subject.
    NotAPackage,
}

impl Standing {
    /// Returns true if a vulnerability could hide behind it.
    pub fn is_gap(self) -> bool {
        !matches!(self, Self::Matched | Self::NotAPackage)
    }
}

/// Components by what became of them.
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

    /// Returns the share of packages that were judged, in hundredths of a percent (0 to 10,000);
    /// `None` if there are no packages.
    pub fn basis_points(&self) -> Option<u64> {
        (self.matched * 10_000).checked_div(self.total())
    }
}
