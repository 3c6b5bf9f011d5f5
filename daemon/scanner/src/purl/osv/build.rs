//! The marks of builds that a distribution's own advisories are not about.
//!
//! Other products for a distribution have builds of its packages with versions of their own: their place among the distribution's fixes
//! says nothing. Their versions have a mark, and only what is said about builds with the same mark, or about the product, is about
//! them.

use std::borrow::Cow;

use super::table::EPEL;
use super::{OsvPackage, epel, release};

/// What a build's version says about the product that it is of.
#[derive(Debug, Clone, Copy)]
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

/// Words are compared without regard to capitals.
impl PartialEq for Mark<'_> {
    fn eq(&self, other: &Self) -> bool {
        match (self, other) {
            (Self::Certified, Self::Certified) | (Self::Next, Self::Next) => true,
            (Self::Product(one), Self::Product(other))
            | (Self::Distribution(one), Self::Distribution(other)) => one.eq_ignore_ascii_case(other),
            _ => false,
        }
    }
}

impl Eq for Mark<'_> {}

impl OsvPackage {
    /// Returns the mark in a version of the package; `None` if it is a build of the distribution itself.
    pub(crate) fn mark_of<'a>(&self, version: &'a str) -> Option<Mark<'a>> {
        let is_for_enterprise_linux =
            self.epel.is_some() || self.system == EPEL || epel::is_host(self.system);
        match self.system {
            "Ubuntu" => release::is_certified(version).then_some(Mark::Certified),
            "Debian" => {
                // A native package has no revision.
                let revision = version.rsplit_once('-').map_or(version, |(_, revision)| revision);
                lower_case(revision)
                    .contains(UBUNTU)
                    .then_some(Mark::Distribution(UBUNTU))
            }
            _ if is_for_enterprise_linux && epel::is_of_next(&lower_case(version)) => Some(Mark::Next),
            _ => {
                let product = product_in(version).filter(|_| is_for_enterprise_linux);
                let of_other = || {
                    let release = Release::of(self.system, &self.ecosystem);
                    foreign_tag(self.system, release, version).map(Mark::Distribution)
                };
                product.map(Mark::Product).or_else(of_other)
            }
        }
    }

    /// Returns true if an ecosystem is that of the product whose builds have this mark. Only a package of such a build is looked up
    /// there.
    pub(crate) fn is_of_mark(ecosystem: &str, mark: Mark<'_>) -> bool {
        match mark {
            Mark::Certified => release::is_of_certified(ecosystem),
            Mark::Next | Mark::Distribution(_) => false,
            Mark::Product(product) => {
                let is_of_openshift = lower_case(product).starts_with("rhaos") || ASSEMBLY.contains(product);
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

/// The marks of products that are words of their own behind or before the release (`.el9.ost`, `.hs.el9`).
const PRODUCTS: [&str; 16] = [
    "aap", "ae", "ceph", "cnv", "cp", "dsrv", "ev", "hs", "jws", "ost", "pki", "rhgs", "sat", "satui", "scl",
    "tfm",
];

/// The tags of distributions in the releases of their builds, before the number of a release.
const TAGS: [(&str, &[&str]); 17] = [
    ("alt", &[]),
    ("amzn", &["Amazon Linux"]),
    ("an", &[]),
    ("azl", &["Azure Linux"]),
    ("bp", &["SUSE", "openSUSE"]),
    ("cm", &["Azure Linux"]),
    (
        "el",
        &[EPEL, "AlmaLinux", "Oracle Linux", "Red Hat", "Rocky Linux"],
    ),
    ("eln", &[]),
    ("fc", &["Fedora"]),
    ("hum", &[]),
    ("ky", &[]),
    ("lp", &["openSUSE"]),
    ("mdv", &[]),
    ("mga", &["Mageia"]),
    ("oe", &["openEuler"]),
    ("ph", &["Photon OS"]),
    ("tl", &[]),
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

/// The number of a release as its tag has it, and that of its service pack, if it is known.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Release {
    number: u32,
    pack: Option<u32>,
}

impl Release {
    /// Returns the release of a distribution's ecosystem, if its builds are tagged with it.
    fn of(system: &str, ecosystem: &str) -> Option<Self> {
        let release = ecosystem.rsplit(':').next()?;
        let whole = match system {
            "openSUSE" => release.strip_prefix("Leap ")?,
            "SUSE" => return None,
            _ => release,
        };
        let mut parts = whole.split('-');
        let number = parts.next()?;
        let number = match system {
            "openEuler" | "openSUSE" => number.replace('.', ""),
            // Without the number of a minor release.
            _ => number.split('.').next()?.to_owned(),
        };
        let pack = parts.find_map(|part| part.strip_prefix("SP")?.parse().ok());
        Some(Self {
            number: number.parse().ok()?,
            pack,
        })
    }

    /// Returns the release of a tag's number (`40`, `2203sp3`); `None` if it is no tag.
    fn of_tag(tag: &str, number: &str) -> Option<Self> {
        let rest = number.trim_start_matches(|c: char| c.is_ascii_digit());
        let pack = rest.strip_prefix("sp").map(str::parse);
        // The mark of a product follows that of Enterprise Linux: `el8ost`.
        let is_product = || tag == "el" && rest.bytes().all(|byte| byte.is_ascii_alphabetic());
        if !rest.is_empty() && pack.is_none() && !is_product() {
            return None;
        }
        let number = number.get(..number.len() - rest.len())?.parse().ok()?;
        Some(Self {
            number,
            pack: pack.and_then(Result::ok),
        })
    }

    /// Returns true if a tag's release comes after this one. A service pack counts only if this one's is known.
    fn is_before(self, of_tag: Self) -> bool {
        let packs = self.pack.zip(Some(of_tag.pack.unwrap_or_default()));
        of_tag.number > self.number
            || (of_tag.number == self.number && packs.is_some_and(|(own, other)| other > own))
    }
}

/// The release of Enterprise Linux from which a release of Amazon Linux was made: its builds are in there as they are.
fn base_of_amazon(release: Option<Release>) -> Option<u32> {
    match release?.number {
        1 => Some(6),
        2 => Some(7),
        _ => None,
    }
}

/// Returns the tag of another distribution, or of a later release of the same one, in a version's release.
fn foreign_tag<'a>(system: &str, release: Option<Release>, version: &'a str) -> Option<&'a str> {
    if !TAGGED.contains(&system) {
        return None;
    }
    let (_, build) = version.rsplit_once('-')?;
    let is_foreign = |word: &str| {
        let word = lower_case(word);
        TAGS.iter().any(|(tag, systems)| {
            let number = word.strip_prefix(tag);
            let Some(of_tag) = number.and_then(|number| Release::of_tag(tag, number)) else {
                return false;
            };
            let is_old = *tag == "fc" && of_tag.number <= LAST_OF_FEDORA;
            let is_base =
                || system == "Amazon Linux" && *tag == "el" && Some(of_tag.number) == base_of_amazon(release);
            let is_own =
                || systems.contains(&system) && !release.is_some_and(|release| release.is_before(of_tag));
            !is_old && !is_own() && !is_base()
        })
    };
    // The first word is the number of the build, and the tag may follow it without a separator.
    let mut words = build.split(['.', '+', '~', '_']).enumerate();
    words.find_map(|(at, word)| {
        let word = match at {
            0 => word.trim_start_matches(|c: char| c.is_ascii_digit()),
            _ => word,
        };
        is_foreign(word).then_some(word)
    })
}

/// Returns a text in lower case. Most versions are.
fn lower_case(text: &str) -> Cow<'_, str> {
    if text.bytes().any(|byte| byte.is_ascii_uppercase()) {
        Cow::Owned(text.to_ascii_lowercase())
    } else {
        Cow::Borrowed(text)
    }
}

/// Returns the mark of another product than the host's own repositories in a version: it follows the release without a separator
/// (`.el8ost`, `.el8_4ost`, `module+el8dsrv+`), or is that of OpenShift or JBoss.
pub(super) fn product_in(version: &str) -> Option<&str> {
    let lower = lower_case(version);
    let before = BEFORE_RELEASE
        .iter()
        .find_map(|(mark, has_number)| word_before_release(&lower, mark, *has_number));
    let (at, length) = before
        .or_else(|| word_after_release(&lower))
        .or_else(|| word_of_product(&lower))?;
    version.get(at..at + length)
}

/// Returns place and length of a product's mark that follows the release without a separator.
fn word_after_release(version: &str) -> Option<(usize, usize)> {
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
        let start = version.len() - word.len();
        let word = word.get(..end).filter(|word| is_release && !word.is_empty())?;
        (!MARKS_OF_HOSTS.contains(&word)).then_some((start, end))
    })
}

/// Returns place and length of a product's mark that is a word of its own beside the tag of Enterprise Linux.
fn word_of_product(version: &str) -> Option<(usize, usize)> {
    let (_, build) = version.rsplit_once('-')?;
    let is_tag = |word: &str| {
        let number = word.strip_prefix("el");
        number.is_some_and(|number| number.starts_with(|c: char| c.is_ascii_digit()))
    };
    if !build.split(['.', '_', '+']).any(is_tag) {
        return None;
    }
    let mut at = version.len() - build.len();
    build.split('.').find_map(|word| {
        let found = PRODUCTS.contains(&word).then_some((at, word.len()));
        at += word.len() + 1;
        found
    })
}

/// Returns place and length of a mark's word with the number after it.
fn word_before_release(version: &str, mark: &str, has_number: bool) -> Option<(usize, usize)> {
    let mut found = version.match_indices(mark);
    found.find_map(|(at, _)| {
        let number = version.get(at + mark.len()..).filter(|_| !mark.ends_with('.'));
        let digits = number.map_or(0, |number| {
            let end = number.find(|c: char| !c.is_ascii_digit() && c != '.');
            let number = number.get(..end.unwrap_or(number.len())).unwrap_or_default();
            number.trim_end_matches('.').len()
        });
        let is_whole = !has_number || digits > 0;
        let length = mark.trim_end_matches('.').len() - 1 + digits;
        is_whole.then_some((at + 1, length))
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
            ("openEuler", "2.0-1.oe2203sp3", None),
            ("SUSE", "2.0-150500.1.2", None),
            ("Red Hat", "2.0.fc40", None),
            ("Red Hat", "2.0-1.fcoe2", None),
            ("Debian", "2.0-1.fc40", None),
        ] {
            let found = foreign_tag(system, None, version);
            assert_eq!(found, expected, "{system} {version}");
        }
        for (ecosystem, version, expected) in [
            ("Rocky Linux:8", "2.0-1.el9_4", Some("el9")),
            ("Rocky Linux:9", "2.0-1.el8", None),
            ("Red Hat:enterprise_linux:10", "2.0-1.el10_1", None),
            ("Red Hat:enterprise_linux:8", "2.0-1.module+el8.4.0+1+a", None),
            ("Fedora:40", "2.0-1.fc41", Some("fc41")),
            ("Fedora:40", "2.0-1.fc40", None),
            ("Amazon Linux:1", "2.0-1.el6", None),
            ("Amazon Linux:1", "2.0-1.el7", Some("el7")),
            ("Amazon Linux:2", "2.0-1.el7", None),
            ("Amazon Linux:2", "2.0-1.el8", Some("el8")),
            ("Amazon Linux:2", "2.0-1.el9_4", Some("el9")),
            ("Amazon Linux:2", "2.0-1.amzn2.0.1", None),
            ("Amazon Linux:2", "2.0-1.amzn2023.0.1", Some("amzn2023")),
            ("Amazon Linux:2023", "2.0-1.el7", Some("el7")),
            ("Amazon Linux:2023", "2.0-1.el9", Some("el9")),
            ("Amazon Linux:2023", "2.0-1.amzn2023.0.1", None),
            ("openEuler:22.03-LTS-SP3", "2.0-1.oe2203sp3", None),
            ("openEuler:22.03-LTS-SP3", "2.0-1.oe2203sp4", Some("oe2203sp4")),
            ("openEuler:22.03-LTS-SP3", "2.0-1.oe2403", Some("oe2403")),
            ("openEuler:22.03-LTS", "2.0-1.oe2203sp3", None),
            ("openEuler:20.03-LTS-SP1", "2.0-1.oe1", None),
            ("Photon OS:4.0", "2.0-1.ph5", Some("ph5")),
            ("Photon OS:4.0", "2.0-1.ph4", None),
            ("Mageia:8", "2.0-1.mga9", Some("mga9")),
            ("Mageia:8", "2.0-1.1.mga8", None),
            ("Azure Linux:2", "2.0-1.cm2", None),
            ("Azure Linux:2", "2.0-1.azl3", Some("azl3")),
            ("Azure Linux:3", "2.0-1.azl3", None),
            ("openSUSE:Leap 15.5", "2.0-lp155.2.1", None),
            ("openSUSE:Leap 15.5", "2.0-lp156.2.1", Some("lp156")),
            ("openSUSE:Leap 15.5", "2.0-bp155.2.1", None),
            ("openSUSE:Leap 15.5", "2.0-150500.1.2", None),
            ("openSUSE:Tumbleweed", "2.0-1.1", None),
            ("SUSE:Linux Enterprise Server 15 SP5", "2.0-bp155.2.1", None),
        ] {
            let (system, _) = ecosystem.split_once(':').unwrap();
            let found = foreign_tag(system, Release::of(system, ecosystem), version);
            assert_eq!(found, expected, "{ecosystem} {version}");
        }
    }

    #[test]
    fn builds_of_others_on_enterprise_linux_have_tags_of_any_shape() {
        let release = Release::of("Red Hat", "Red Hat:enterprise_linux:9");
        for (version, tag) in [
            ("2.0-1.cm2", "cm2"),
            ("2.0-lp155.2.1", "lp155"),
            ("2.0-bp155.2.1", "bp155"),
            ("2.0-1.eln130", "eln130"),
            ("2.0-1.hum1", "hum1"),
            ("2.0-1fc40", "fc40"),
            ("2.0-1.FC40", "FC40"),
            ("2.0-1_fc40", "fc40"),
            ("2.0-1.an8", "an8"),
            ("2.0-1.el10", "el10"),
        ] {
            assert_eq!(foreign_tag("Red Hat", release, version), Some(tag), "{version}");
        }
        for version in [
            "2.0-1.el9",
            "2.0-1.el9_4",
            "2.0-1.el9_4.1",
            "2.0-1.EL9",
            "2.0-1.an8f3e",
            "2.0-1.20240101gitfc40.el9",
            "2.0-1.fc40ab1.el9",
            "2.0-1.el9.rocky.0.1",
        ] {
            assert_eq!(foreign_tag("Red Hat", release, version), None, "{version}");
        }
        for (version, product) in [
            ("2.0-1.hs.el9", Some("hs")),
            ("2.0-1.el9.ost", Some("ost")),
            ("2.0-1.el9_4.OST.1", Some("OST")),
            ("2.0-1.RHAOS4.14.el9", Some("RHAOS4.14")),
            ("2.0-1.EL8OST", Some("OST")),
            ("2.0-1.el9.next", None),
            ("2.0-1.el7.centos.plus", None),
            ("2.0-1.ost", None),
        ] {
            assert_eq!(product_in(version), product, "{version}");
        }
        assert_eq!(Mark::Product("OST"), Mark::Product("ost"));
        for system in ["Fedora", "Azure Linux", "SUSE"] {
            assert_eq!(
                foreign_tag(system, None, "2.0-1.el8ost"),
                Some("el8ost"),
                "{system}"
            );
        }
    }
}
