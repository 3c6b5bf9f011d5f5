//! Coverage: the share of an inventory that was checked, so that "no findings" cannot hide "not checked".

use std::collections::BTreeSet;

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

/// Why a component is [`Standing::Undecided`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum DoubtCause {
    /// An advisory that names the package could not be evaluated.
    Advisory,
    /// Its version has no place in the order of versions, so advisories could not be evaluated.
    Version,
    /// Advisories may use another name: a namespace or the source package is missing.
    Name,
    /// The site knows its ecosystem, and not its release.
    Release,
    /// Advisories name it, but they may be about another vendor's package of its name: its own vendor is unknown, is another
    /// repository, or has no advisories about it.
    Vendor,
    /// Versions of its ecosystem have no known order.
    Order,
    /// It was looked up by a CPE name, and a name in which nothing matches proves nothing.
    CpeName,
}

/// The doubt about one component.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Doubt {
    /// The cause.
    pub cause: DoubtCause,
    /// The first [`Doubt::NAMED`] vulnerabilities whose advisories could not be evaluated, sorted.
    pub vulnerabilities: Vec<String>,
    /// The number of all of them.
    pub number: u64,
}

impl Doubt {
    /// Most vulnerabilities that a doubt names.
    pub const NAMED: usize = 5;

    /// Returns the doubt about these vulnerabilities.
    pub(super) fn of(cause: DoubtCause, vulnerabilities: &BTreeSet<String>) -> Self {
        Self {
            cause,
            vulnerabilities: vulnerabilities.iter().take(Self::NAMED).cloned().collect(),
            number: u64::try_from(vulnerabilities.len()).unwrap_or(u64::MAX),
        }
    }
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
