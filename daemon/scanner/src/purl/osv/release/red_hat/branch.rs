//! The branches of Enterprise Linux: minor releases with support of their own, and OpenShift.

use super::repositories_of;
use crate::purl::osv::build::product_in;

/// A branch of a release.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) enum Branch {
    /// A minor release, as 9.4 of `1.2-3.el9_4.2`.
    Minor(Number),
    /// A version of OpenShift for a release, as 4.14 for 9 of `1.2-3.rhaos4.14.el9`.
    OpenShift(Number, u32),
}

/// The first two numbers of a version.
type Number = (u32, u32);

/// The branch of a host.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct Host {
    /// Its minor release.
    minor: Number,
    /// The version of OpenShift, on a host of it.
    openshift: Option<Number>,
}

/// Products with support of their own for a minor release. Since release 10 they have the release's name.
const PRODUCTS: [&str; 10] = [
    "enterprise_linux_aus",
    "enterprise_linux_e4s",
    "enterprise_linux_eus",
    "enterprise_linux_tus",
    "rhel_aus",
    "rhel_e4s",
    "rhel_eus",
    "rhel_eus_long_life",
    "rhel_mission_critical",
    "rhel_tus",
];

/// The minor release of Enterprise Linux that hosts of OpenShift are made from, from each version of OpenShift on. The last one is
/// not known.
const OPENSHIFT_HOSTS: [(Number, Number); 10] = [
    ((4, 1), (8, 0)),
    ((4, 3), (8, 1)),
    ((4, 4), (8, 1)),
    ((4, 5), (8, 2)),
    ((4, 7), (8, 4)),
    ((4, 11), (8, 6)),
    ((4, 13), (9, 2)),
    ((4, 16), (9, 4)),
    ((4, 19), (9, 6)),
    ((4, 21), (0, 0)),
];

/// The mark of OpenShift's builds before its version.
const OPENSHIFT: &str = ".rhaos";
/// The mark of OpenShift's own components, whose version is that of OpenShift: `4.14.0-20240325.p0.g607e2dd.assembly.stream.el9`.
const ASSEMBLY: &str = ".assembly.";

impl Branch {
    /// Returns the ecosystems of the branch's products.
    pub(crate) fn ecosystems(self) -> Vec<String> {
        match self {
            Self::Minor((major, minor)) => {
                let of = |product: &&str| {
                    let whole = format!("Red Hat:{product}:{major}.{minor}");
                    let parts = repositories_of(major)
                        .iter()
                        .map(|name| format!("{whole}::{name}"));
                    let parts: Vec<String> = parts.collect();
                    std::iter::once(whole).chain(parts)
                };
                PRODUCTS.iter().flat_map(of).collect()
            }
            Self::OpenShift((major, minor), release) => {
                let whole = format!("Red Hat:openshift:{major}.{minor}");
                let part = format!("{whole}::el{release}");
                vec![whole, part]
            }
        }
    }

    /// Returns true if a fix that products of this branch name for builds of it is one of theirs. A fix in a build of a later
    /// branch, or of another product, need not be.
    fn may_have(self, fix: &str) -> bool {
        match (self, branch_of(fix)) {
            (Self::Minor(_), None) => product_in(fix).is_none(),
            (Self::Minor(own), Some(Self::Minor(other))) => own.0 == other.0 && other <= own,
            (Self::OpenShift(own, _), Some(Self::OpenShift(other, _))) => other <= own,
            // The place of a marked build among those without the mark shows nothing.
            (Self::OpenShift(..), None | Some(Self::Minor(_)))
            | (Self::Minor(_), Some(Self::OpenShift(..))) => false,
        }
    }

    fn is_same(self, other: Self) -> bool {
        match (self, other) {
            (Self::Minor(own), Self::Minor(other)) => own == other,
            (Self::OpenShift(own, _), Self::OpenShift(other, _)) => own == other,
            _ => false,
        }
    }
}

impl Host {
    /// Returns the branch of a host from its distribution: `rhel-9.4`, `rhcos-4.14`; `None` if it has no minor release.
    pub(in super::super::super) fn of(distro: &str) -> Option<Self> {
        let (major, minor) = numbers_in(distro)?;
        if is_of_openshift(distro) {
            return openshift_host(major, minor);
        }
        Some(Self {
            minor: (major, minor),
            openshift: None,
        })
    }

    /// Returns the minor release.
    pub(in super::super::super) fn minor(self) -> (u32, u32) {
        self.minor
    }

    fn branches(self) -> impl Iterator<Item = Branch> {
        let openshift = self.openshift;
        let openshift = openshift.map(|version| Branch::OpenShift(version, self.minor.0));
        std::iter::once(Branch::Minor(self.minor)).chain(openshift)
    }

    /// Returns the branches that decide about a build of this host besides its own: not about one of a later minor release, and
    /// about one of another product only if they are of that product.
    pub(in crate::purl::osv) fn branches_for(self, version: &str) -> Vec<Branch> {
        let own = branch_of(version);
        let decides = |branch: &Branch| match (own, *branch) {
            (None, _) => true,
            (Some(Branch::Minor(own)), Branch::Minor(host)) => own.0 == host.0 && own < host,
            // It has fixes for builds of the minor release that its hosts are made from, too.
            (Some(Branch::Minor(own)), Branch::OpenShift(..)) => own.0 == self.minor.0 && own <= self.minor,
            (Some(Branch::OpenShift(own, _)), Branch::OpenShift(host, _)) => own != host,
            (Some(Branch::OpenShift(..)), Branch::Minor(_)) => false,
        };
        if own.is_none() && product_in(version).is_some() {
            return Vec::new();
        }
        self.branches().filter(decides).collect()
    }
}

/// Returns true for the distribution of OpenShift's hosts, as os-release names it.
pub(in super::super) fn is_of_openshift(distro: &str) -> bool {
    let start = distro.trim().get(..5);
    start.is_some_and(|start| start.eq_ignore_ascii_case("rhcos"))
}

/// Returns the branch of a host of OpenShift by its version: that of OpenShift (`4.14`), that of an image (`414.92`), or, since
/// 4.19, that of Enterprise Linux.
fn openshift_host(major: u32, minor: u32) -> Option<Host> {
    let (openshift, minor) = match (major, minor) {
        (4, _) => ((4, minor), None),
        (400..500, 80..) => ((4, major - 400), Some((minor / 10, minor % 10))),
        (8..=99, _) => {
            return Some(Host {
                minor: (major, minor),
                openshift: None,
            });
        }
        _ => return None,
    };
    let by_table = || {
        let mut before = OPENSHIFT_HOSTS.iter().rev();
        let (_, minor) = before.find(|(from, _)| *from <= openshift)?;
        (*minor != (0, 0)).then_some(*minor)
    };
    Some(Host {
        minor: minor.or_else(by_table)?,
        openshift: Some(openshift),
    })
}

/// Returns the branches that a build is of, the one of its own version first.
pub(in crate::purl::osv) fn branches_of(version: &str, release: u32) -> Vec<Branch> {
    let Some(own) = branch_of(version) else {
        return Vec::new();
    };
    // OpenShift's builds for one release are installed on hosts of another one, too.
    let beside = match own {
        Branch::OpenShift(number, built_for) if built_for != release => {
            Some(Branch::OpenShift(number, release))
        }
        _ => None,
    };
    std::iter::once(own).chain(beside).collect()
}

/// Returns the branch in a build's version; `None` if the build does not name it, or is of another product.
fn branch_of(version: &str) -> Option<Branch> {
    if let Some(openshift) = openshift_of(version) {
        return Some(openshift);
    }
    let minor = minor_of(version)?;
    product_in(version).is_none().then_some(Branch::Minor(minor))
}

/// Returns the minor release in a build's version: 9.4 of `1.2-3.el9_4.2` and of `1.2-3.module+el9.4.0+1+a`.
fn minor_of(version: &str) -> Option<Number> {
    version.rmatch_indices("el").find_map(|(at, mark)| {
        let before = version.get(..at)?;
        let separator = if before.ends_with('.') {
            '_'
        } else if before.ends_with(".module+") || before.ends_with(".module_") {
            '.'
        } else {
            return None;
        };
        let (major, rest) = leading_number(version.get(at + mark.len()..)?)?;
        let (minor, rest) = leading_number(rest.strip_prefix(separator)?)?;
        (!rest.starts_with('_')).then_some((major, minor))
    })
}

/// Returns the version of OpenShift that a build is of, and the release that it is for.
pub(super) fn openshift_of(version: &str) -> Option<Branch> {
    let number = if let Some((_, rest)) = version.split_once(OPENSHIFT) {
        numbers_at(rest)
    } else if version.contains(ASSEMBLY) {
        let bare = version.split_once(':').map_or(version, |(_, rest)| rest);
        numbers_at(bare)
    } else {
        None
    }?;
    let (_, release) = version.rsplit_once(".el")?;
    Some(Branch::OpenShift(number, leading_number(release)?.0))
}

/// Returns the ecosystems of the version of OpenShift that a build is of, on a host of a release.
pub(in super::super) fn product_of(version: &str, release: &str) -> Vec<String> {
    let host = release.strip_prefix("enterprise_linux:").and_then(leading_number);
    let Some(((host, _), Branch::OpenShift(number, built_for))) = host.zip(openshift_of(version)) else {
        return Vec::new();
    };
    let mut ecosystems = Branch::OpenShift(number, built_for).ecosystems();
    if host != built_for {
        ecosystems.extend(Branch::OpenShift(number, host).ecosystems().pop());
    }
    ecosystems
}

/// Returns true if an ecosystem is that of a branch's product, so that a scan of some build looks it up. OpenShift before 4 has no
/// hosts of its own: most of its builds name no version of it, so what is said about them is looked up for none.
pub(crate) fn is_of_branch(ecosystem: &str) -> bool {
    let Some(rest) = ecosystem.strip_prefix("Red Hat:") else {
        return false;
    };
    let mut parts = rest.splitn(3, ':');
    let (Some(product), Some(version)) = (parts.next(), parts.next()) else {
        return false;
    };
    let Some((number, "")) = number_at(version) else {
        return false;
    };
    let branch = match product {
        "openshift" if number.0 < 4 => return false,
        "openshift" => {
            let release = rest
                .rsplit_once("::el")
                .and_then(|(_, rest)| leading_number(rest));
            Branch::OpenShift(number, release.map_or(0, |(release, _)| release))
        }
        _ => Branch::Minor(number),
    };
    branch.ecosystems().iter().any(|own| own == ecosystem)
}

/// Returns true if a fix, named by products of the branch that a build is of, is in the build.
pub(in crate::purl::osv) fn is_fix_of_own(version: &str, fix: &str) -> bool {
    is_backport_for(version, fix) && branch_of(version).is_some_and(|own| own.may_have(fix))
}

/// Returns true if a fix is for the version of the upstream project that a build has. Fixes on a branch are backports to its version:
/// a build of another one may be after a fix in the order, and lack it.
fn is_backport_for(version: &str, fix: &str) -> bool {
    let upstream = |text| {
        let (epoch, rest) = str::split_once(text, ':').unwrap_or(("0", text));
        let (upstream, _) = rest.rsplit_once('-')?;
        Some((epoch.trim().parse::<u32>().ok()?, upstream))
    };
    let both = upstream(version).zip(upstream(fix));
    both.is_some_and(|(own, of_fix)| own == of_fix)
}

/// Returns true if a fix, named by products of the branch of a build's host, is in the build: only if both name the same minor
/// release, or none. Another build of the host's release may be after it in the order, and lack it.
pub(in crate::purl::osv) fn is_fix_of_host(version: &str, fix: &str) -> bool {
    if !is_backport_for(version, fix) {
        return false;
    }
    match (branch_of(version), branch_of(fix)) {
        (None, None) => product_in(fix).is_none() && product_in(version).is_none(),
        (Some(own), Some(other)) => own.is_same(other),
        _ => false,
    }
}

/// Returns true if both are builds of one branch.
pub(in crate::purl::osv) fn are_of_one(version: &str, other: &str) -> bool {
    let both = branch_of(version).zip(branch_of(other));
    both.is_some_and(|(own, other)| own.is_same(other))
}

/// Returns the first number with a second one after it: `9.4` of `rhel-9.4`.
fn numbers_in(text: &str) -> Option<Number> {
    let start = text.find(|c: char| c.is_ascii_digit())?;
    numbers_at(text.get(start..)?)
}

fn numbers_at(text: &str) -> Option<Number> {
    number_at(text).map(|(number, _)| number)
}

fn number_at(text: &str) -> Option<(Number, &str)> {
    let (major, rest) = leading_number(text)?;
    let (minor, rest) = leading_number(rest.strip_prefix('.')?)?;
    Some(((major, minor), rest))
}

fn leading_number(text: &str) -> Option<(u32, &str)> {
    let end = text.find(|c: char| !c.is_ascii_digit()).unwrap_or(text.len());
    Some((text.get(..end)?.parse().ok()?, text.get(end..)?))
}
