//! The marks of builds that a distribution's own advisories are not about.
//!
//! Other products for a distribution have builds of its packages with versions of their own: their place among the distribution's fixes
//! says nothing. Their versions have a mark, and only what is said about builds with the same mark, or about the product, is about
//! them.

use super::table::EPEL;
use super::{OsvPackage, epel, release};

/// What a build's version says about the product that it is of.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Mark<'a> {
    /// Ubuntu's certified builds.
    Certified,
    /// EPEL Next.
    Next,
    /// A product for Enterprise Linux, by its own word: `ost`, `rhaos4.6`, `jbcs`.
    Product(&'a str),
    /// Another distribution, by its tag: `fc40`.
    Distribution(&'a str),
}

impl OsvPackage {
    /// Returns the mark in a version of the package; `None` if it is a build of the distribution itself.
    pub(crate) fn mark_of<'a>(&self, version: &'a str) -> Option<Mark<'a>> {
        let is_for_enterprise_linux =
            self.epel.is_some() || self.system == EPEL || epel::is_host(self.system);
        match self.system {
            "Ubuntu" => release::is_certified(version).then_some(Mark::Certified),
            "Debian" => {
                let revision = version.rsplit_once('-').map_or("", |(_, revision)| revision);
                revision.contains(UBUNTU).then_some(Mark::Distribution(UBUNTU))
            }
            _ if is_for_enterprise_linux && epel::is_of_next(version) => Some(Mark::Next),
            _ => {
                let product = product_in(version).filter(|_| is_for_enterprise_linux);
                let of_other =
                    || foreign_tag(self.system, self.number_of_release(), version).map(Mark::Distribution);
                product.map(Mark::Product).or_else(of_other)
            }
        }
    }

    /// Returns the number of its release, without that of a minor one.
    fn number_of_release(&self) -> Option<u32> {
        let release = self.ecosystem.rsplit(':').next()?;
        release.split('.').next()?.parse().ok()
    }

    /// Returns true if an ecosystem is that of the product whose builds have this mark. Only a package of such a build is looked up
    /// there.
    pub(crate) fn is_of_mark(ecosystem: &str, mark: Mark<'_>) -> bool {
        match mark {
            Mark::Certified => release::is_of_certified(ecosystem),
            Mark::Next | Mark::Distribution(_) => false,
            Mark::Product(product) => {
                let is_of_openshift = product.starts_with("rhaos") || ASSEMBLY.contains(product);
                is_of_openshift && ecosystem.starts_with("Red Hat:openshift:")
            }
        }
    }

    /// Returns the ecosystems of Ubuntu's certified builds that apply to the package, the one that decides first: builds that get
    /// updates come after those that get none, which nobody fixes.
    pub(crate) fn ecosystems_of_certified(&self) -> impl Iterator<Item = &str> {
        let also = self.also.iter().map(String::as_str);
        let is_ubuntu = self.system == "Ubuntu";
        also.filter(move |ecosystem| is_ubuntu && release::is_of_certified(ecosystem))
    }

    /// Returns the ecosystem of certified builds that get updates.
    pub(crate) fn ecosystems_of_builds(&self) -> impl Iterator<Item = &str> {
        self.ecosystems_of_certified().take(1)
    }
}

/// Marks that follow the release without a separator, as those of products do, and are of hosts: of another architecture's
/// release, of a repository, of flavours of a kernel, and of Oracle's kernel and certified builds, which have advisories of the host.
const MARKS_OF_HOSTS: [&str; 10] = [
    "a", "b", "debug", "fdb", "fdn", "fdp", "fips", "pae", "uek", "xen",
];

/// The mark of OpenShift's own components.
const ASSEMBLY: &str = ".assembly.";

/// The marks before the release of OpenShift, of JBoss' web server, and of JBoss' platform, and true if a number is part of them.
const BEFORE_RELEASE: [(&str, bool); 5] = [
    (ASSEMBLY, false),
    (".rhaos", false),
    (".jbcs.", false),
    (".ep", true),
    (".eap", true),
];

/// The tags of distributions in the releases of their builds, before the number of a release.
const TAGS: [(&str, &[&str]); 7] = [
    ("amzn", &["Amazon Linux"]),
    ("azl", &["Azure Linux"]),
    // Amazon's first releases were made from Enterprise Linux.
    (
        "el",
        &[
            "AlmaLinux",
            "Amazon Linux",
            EPEL,
            "Oracle Linux",
            "Red Hat",
            "Rocky Linux",
        ],
    ),
    ("fc", &["Fedora"]),
    ("mga", &["Mageia"]),
    ("oe", &["openEuler"]),
    ("ph", &["Photon OS"]),
];
/// The word in revisions of Ubuntu's builds.
const UBUNTU: &str = "ubuntu";
/// The distributions whose packages have such releases.
const TAGGED: [&str; 13] = [
    "AlmaLinux",
    "Amazon Linux",
    "Azure Linux",
    EPEL,
    "Fedora",
    "Mageia",
    "Oracle Linux",
    "Photon OS",
    "Red Hat",
    "Rocky Linux",
    "SUSE",
    "openEuler",
    "openSUSE",
];
/// The last release of Fedora whose builds are in Enterprise Linux as they are.
const LAST_OF_FEDORA: u32 = 13;

/// Returns the tag of another distribution, or of a later release of the same one (`major`), in a version's release.
fn foreign_tag<'a>(system: &str, major: Option<u32>, version: &'a str) -> Option<&'a str> {
    if !TAGGED.contains(&system) {
        return None;
    }
    let (_, release) = version.rsplit_once('-')?;
    // The first word is the number of the build.
    let mut words = release.split(['.', '+', '~', '_']).skip(1);
    words.find(|word| {
        let tag = |(tag, systems): &(&str, &[&str])| {
            let number = word.strip_prefix(tag).unwrap_or_default();
            let is_old = *tag == "fc" && number.parse().is_ok_and(|number: u32| number <= LAST_OF_FEDORA);
            let digits = number.trim_start_matches(|c: char| c.is_ascii_digit());
            let is_tag = digits.len() < number.len() && (digits.is_empty() || digits.starts_with("sp"));
            let is_later = || {
                let number = number.parse::<u32>().ok();
                let has_releases = matches!(*tag, "el" | "fc") && system != "Amazon Linux";
                has_releases && number.zip(major).is_some_and(|(number, major)| number > major)
            };
            is_tag && !is_old && (!systems.contains(&system) || is_later())
        };
        TAGS.iter().any(tag)
    })
}

/// Returns the mark of another product than the host's own repositories in a version: it follows the release without a separator
/// (`.el8ost`, `.el8_4ost`, `module+el8dsrv+`), or is that of OpenShift or JBoss.
pub(super) fn product_in(version: &str) -> Option<&str> {
    let before = BEFORE_RELEASE
        .iter()
        .find_map(|(mark, has_number)| word_before_release(version, mark, *has_number));
    before.or_else(|| {
        let mut marks = version.match_indices("el");
        marks.find_map(|(at, mark)| {
            if !version.get(..at).unwrap_or_default().ends_with(['.', '+']) {
                return None;
            }
            let rest = version.get(at + mark.len()..)?;
            let word = rest.trim_start_matches(|c: char| c.is_ascii_digit() || c == '_');
            let end = word
                .find(|c: char| !c.is_ascii_alphabetic())
                .unwrap_or(word.len());
            let is_release = word.len() < rest.len();
            let word = word.get(..end).filter(|word| is_release && !word.is_empty())?;
            let is_of_host = MARKS_OF_HOSTS.iter().any(|mark| mark.eq_ignore_ascii_case(word));
            (!is_of_host).then_some(word)
        })
    })
}

/// Returns the word of a mark with the number after it.
fn word_before_release<'a>(version: &'a str, mark: &str, has_number: bool) -> Option<&'a str> {
    let mut found = version.match_indices(mark);
    found.find_map(|(at, _)| {
        let word = version.get(at + 1..)?;
        let number = version.get(at + mark.len()..).filter(|_| !mark.ends_with('.'));
        let digits = number.map_or(0, |number| {
            let end = number.find(|c: char| !c.is_ascii_digit() && c != '.');
            let number = number.get(..end.unwrap_or(number.len())).unwrap_or_default();
            number.trim_end_matches('.').len()
        });
        let is_whole = !has_number || digits > 0;
        let end = mark.trim_end_matches('.').len() - 1 + digits;
        word.get(..end).filter(|_| is_whole)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn mark_of_another_product_is_its_word() {
        for (version, expected) in [
            ("2.0-1.el8ost", "ost"),
            ("2.0-1.el8_4ost", "ost"),
            ("2.0-1.el7s", "s"),
            ("2.0-1.el8cp.1", "cp"),
            ("2.0-1.module+el8dsrv+10620+b", "dsrv"),
            ("2.0-1.rhaos4.7.el8", "rhaos4.7"),
            ("2.0-1.rhaos4.12.git.1.el8", "rhaos4.12"),
            ("2.0-1.redhat_21.1.ep7.el8", "ep7"),
            ("2.0-1.jbcs.el8", "jbcs"),
            ("2.0-1.rhaos.el8", "rhaos"),
            ("2.0-1.eap8.el8", "eap8"),
            ("2.0-1.el8jbcs", "jbcs"),
        ] {
            assert_eq!(product_in(version), Some(expected), "{version}");
        }
        for version in [
            "2.0-1.el8",
            "2.0-1.el8_4.2",
            "2.0-1.el7a",
            "2.0-1.el8fdp",
            "2.0-1.el7fdn",
            "2.0-1.el8fdb.3",
            "5.4.17-2136.el8uek",
            "10:1.1.1k-12.el8_9_fips",
            "10:1.1.1k-12.el8_FIPS",
            "2.0-1.epoch.el8",
            "2.0-1.module+el8.4.0+1+a",
            "2.0-1.module_el8.4.0+1+a",
            "2.0-1.el9_4.alma.1",
            "2.0-1.el9.rocky.0.1",
            "2.0-1.eln125",
            "2.0-1.model9x",
            "",
        ] {
            assert_eq!(product_in(version), None, "{version}");
        }
    }

    #[test]
    fn tag_of_another_distribution_is_told_from_the_hosts() {
        for (system, version, expected) in [
            ("Red Hat", "2.0-1.fc40", Some("fc40")),
            ("Rocky Linux", "2.0-1.amzn2023.0.1", Some("amzn2023")),
            ("Fedora", "2.0-1.el9", Some("el9")),
            ("Fedora", "2.0-1.el9_4.2", Some("el9")),
            ("Azure Linux", "2.0-1.el9", Some("el9")),
            ("Photon OS", "2.0-1.azl3", Some("azl3")),
            ("AlmaLinux", "2.0-1.oe2203sp3", Some("oe2203sp3")),
            ("SUSE", "2.0-1.mga9", Some("mga9")),
            ("Fedora", "2.0-1.fc38", None),
            ("Red Hat", "2.0-1.fc6", None),
            ("Red Hat", "2.0-1.el8_4", None),
            ("Amazon Linux", "2.0-1.el7", None),
            ("openEuler", "2.0-1.oe2203sp3", None),
            ("SUSE", "2.0-150500.1.2", None),
            ("Red Hat", "2.0.fc40", None),
            ("Red Hat", "2.0-1.fcoe2", None),
            ("Debian", "2.0-1.fc40", None),
        ] {
            let found = foreign_tag(system, None, version);
            assert_eq!(found, expected, "{system} {version}");
        }
        for (system, major, version, expected) in [
            ("Rocky Linux", 8, "2.0-1.el9_4", Some("el9")),
            ("Fedora", 40, "2.0-1.fc41", Some("fc41")),
            ("Fedora", 40, "2.0-1.fc40", None),
            ("Rocky Linux", 9, "2.0-1.el8", None),
            ("Amazon Linux", 2, "2.0-1.el7", None),
            ("Red Hat", 10, "2.0-1.el10_1", None),
        ] {
            let found = foreign_tag(system, Some(major), version);
            assert_eq!(found, expected, "{system} {major} {version}");
        }
    }
}
