//! The operating system of an SBOM, held against the platforms of configurations.

use super::applicability::Platform;
use super::name::Cpe;

/// The operating system on which an SBOM's components were found, as far as it can rule a platform out.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct OperatingSystem {
    /// Names of vendors that stand for this distribution.
    vendors: &'static [&'static str],
}

/// Distributions by the id of their release, with the vendors that CPE names use for them and for those that they are
/// made from. A list of the known: an id that is not here rules nothing out.
const LINUX: [(&str, &[&str]); 20] = [
    ("debian", &["debian"]),
    ("ubuntu", &["canonical", "ubuntu"]),
    ("alpine", &["alpinelinux"]),
    ("rhel", &["redhat"]),
    ("redhat", &["redhat"]),
    ("centos", &["centos", "redhat"]),
    ("rocky", &["rockylinux", "rocky", "redhat"]),
    ("almalinux", &["almalinux", "redhat"]),
    ("fedora", &["fedoraproject"]),
    ("ol", &["oracle", "redhat"]),
    ("amzn", &["amazon"]),
    ("sles", &["suse", "novell", "opensuse"]),
    ("opensuse-leap", &["opensuse", "suse", "novell"]),
    ("opensuse-tumbleweed", &["opensuse", "suse", "novell"]),
    ("wolfi", &["wolfi", "chainguard"]),
    ("chainguard", &["chainguard", "wolfi"]),
    ("photon", &["vmware"]),
    ("mariner", &["microsoft"]),
    ("azurelinux", &["microsoft"]),
    ("arch", &["archlinux"]),
];

/// Returns true if a name is of a Linux distribution as a whole.
pub(crate) fn is_linux_distribution(name: &Cpe) -> bool {
    // Repositories of a distribution are named as applications: `a:redhat:enterprise_linux:8::appstream`.
    let (Some("o" | "a"), Some(vendor), Some(product)) =
        (name.part().plain(), name.vendor().plain(), name.product().plain())
    else {
        return false;
    };
    let names_linux = product.contains("linux") || product.starts_with("leap") || product == "fedora";
    names_linux && vendor != "linux" && LINUX.iter().any(|(_, vendors)| vendors.contains(&vendor))
}

impl OperatingSystem {
    /// Returns the operating system of a distribution as in a `distro` qualifier (`debian-12`); `None` if it is not known
    /// here.
    pub fn of_distro(distro: &str) -> Option<Self> {
        let lower = distro.trim().to_ascii_lowercase();
        let is_it = |id: &str| {
            lower
                .strip_prefix(id)
                .is_some_and(|rest| rest.is_empty() || rest.starts_with(['-', ':', '_']))
        };
        let found = LINUX.iter().find(|(id, _)| is_it(id));
        found.map(|(_, vendors)| Self { vendors })
    }

    /// Returns true if none of a platform's names can be this system: all of them are operating systems, and others.
    pub(super) fn contradicts(self, platform: &Platform) -> bool {
        platform.others == 0
            && !platform.names.is_empty()
            && platform
                .names
                .iter()
                .all(|name| Cpe::parse(name).is_ok_and(|name| self.is_other(&name)))
    }

    /// Returns true if a name is of an operating system that is certainly another one.
    fn is_other(self, name: &Cpe) -> bool {
        let (Some("o"), Some(vendor), Some(product)) =
            (name.part().plain(), name.vendor().plain(), name.product().plain())
        else {
            return false;
        };
        let is_foreign = match vendor {
            "microsoft" => product.starts_with("windows"),
            "apple" => true,
            "google" => matches!(product, "android" | "chrome_os"),
            _ => false,
        };
        let is_of_linux = LINUX.iter().any(|(_, vendors)| vendors.contains(&vendor));
        is_foreign || (vendor != "microsoft" && is_of_linux && !self.vendors.contains(&vendor))
    }
}
