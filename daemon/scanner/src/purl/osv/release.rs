//! Releases of distributions: a package's release in OSV's terms, and the products that are part of it.

pub(super) mod red_hat;

/// Returns true for ecosystems whose advisories always name a release.
pub(super) fn has_releases(ecosystem: &str) -> bool {
    matches!(
        ecosystem,
        "Alpine"
            | "Debian"
            | "Docker Hardened Images:Alpine"
            | "Docker Hardened Images:Debian"
            | "Ubuntu"
            | "AlmaLinux"
            | "Amazon Linux"
            | "EPEL"
            | "Fedora"
            | "Oracle Linux"
            | "Rocky Linux"
            | "Azure Linux"
            | "Mageia"
            | "openEuler"
            | "openSUSE"
            | "Photon OS"
            | "Red Hat"
            | "SUSE"
    )
}

/// Returns the suffix, from `distro=debian-12`, `distro=alpine-3.18.4`, `distro=3.18.4`, `distro=bookworm`.
pub(super) fn release_of(ecosystem: &str, distro: &str) -> Option<String> {
    let distro = distro.to_ascii_lowercase();
    let digits = distro
        .find(|c: char| c.is_ascii_digit())
        .and_then(|start| distro.get(start..));
    let number = digits.map(|text| {
        let end = text
            .find(|c: char| !c.is_ascii_digit() && c != '.')
            .unwrap_or(text.len());
        text.get(..end).unwrap_or(text).trim_end_matches('.').to_owned()
    });
    let parts = |n: usize| number.as_deref().and_then(|text| leading_numbers(text, n));
    match ecosystem {
        "Debian" => parts(1).or_else(|| codename(&distro)),
        "Ubuntu" => {
            let release =
                parts(2).or_else(|| Some(number_among(&UBUNTU_CODENAMES, named(&distro)?)?.to_owned()));
            ubuntu_release(release?.as_str())
        }
        // Its next release is an alpha until it is branched: `3.23_alpha20260101`.
        "Alpine" if distro.contains("edge") || distro.contains("_alpha") => Some("edge".to_owned()),
        "Alpine" => parts(2).map(|release| format!("v{release}")),
        "FreeBSD:ports" => parts(1),
        "Docker Hardened Images:Alpine" => parts(2),
        // A release's codename.
        "Docker Hardened Images:Debian" => match parts(1) {
            Some(number) => Some(codename_of(&number).map_or(number, str::to_owned)),
            None => codename(&distro).and_then(|_| named(&distro).map(str::to_owned)),
        },
        // `VERSION_ID=3.0`, and `Azure Linux:3`.
        "AlmaLinux" | "Azure Linux" | "EPEL" | "Fedora" | "Oracle Linux" | "Rocky Linux" | "Mageia" => {
            parts(1)
        }
        // The first release used the year and month of its images, up to `2018.03`.
        "Amazon Linux" => parts(1).map(|release| match release.parse::<u32>() {
            Ok(2_010..=2_018) => "1".to_owned(),
            _ => release,
        }),
        // The name of the product in its CPE; since release 10 with the minor release.
        "Red Hat" => {
            let major = parts(1)?;
            let release = if major.parse::<u32>().is_ok_and(|major| major >= 10) {
                parts(2).unwrap_or(major)
            } else {
                major
            };
            Some(format!("enterprise_linux:{release}"))
        }
        "Photon OS" => number.filter(|n| !n.is_empty()),
        "openEuler" => {
            // `openEuler:22.03-LTS-SP1` is the distribution's own name; its `VERSION_ID` is only the number, and the
            // March releases of even years are the long-term ones.
            let digits = digits?.to_ascii_uppercase();
            let release = digits.trim_end_matches(|c: char| !c.is_ascii_alphanumeric());
            let long_term = matches!(release, "20.03" | "22.03" | "24.03" | "26.03");
            Some(format!("{release}{}", if long_term { "-LTS" } else { "" }))
        }
        "Alpaquita" | "BellSoft Hardened Containers" if distro.contains("stream") => {
            Some("stream".to_owned())
        }
        "Alpaquita" | "BellSoft Hardened Containers" => parts(1),
        "openSUSE" if distro.contains("tumbleweed") => Some("Tumbleweed".to_owned()),
        "openSUSE" if distro.contains("micro") => parts(2).map(|release| format!("Leap Micro {release}")),
        "openSUSE" => parts(2).map(|release| format!("Leap {release}")),
        "SUSE" => suse_release(parts(1)?.as_str(), parts(2).as_deref(), &distro),
        _ => None,
    }
}

/// Returns the first `n` of a dotted number's components; `None` if there are fewer.
fn leading_numbers(text: &str, n: usize) -> Option<String> {
    let parts: Vec<&str> = text.split('.').take(n).collect();
    (parts.len() == n && parts.iter().all(|p| !p.is_empty())).then(|| parts.join("."))
}

/// Returns `Linux Enterprise Server 15 SP3` for `sles-15.3`; without a service pack the first release is meant.
fn suse_release(major: &str, release: Option<&str>, distro: &str) -> Option<String> {
    if distro.contains("micro") || distro.starts_with("slem") {
        // Since 6.0 the product has another name.
        let product = if major.parse::<u32>().is_ok_and(|major| major >= 6) {
            "Linux Micro"
        } else {
            "Linux Enterprise Micro"
        };
        return Some(format!("{product} {}", release?));
    }
    // Since release 16 there are minor releases instead of service packs.
    let is_numbered = major.parse::<u32>().is_ok_and(|major| major >= 16);
    let product = if distro.contains("sled") {
        "Desktop"
    } else if distro.contains("sles_sap") && is_numbered {
        "Server for SAP applications"
    } else if distro.contains("sles_sap") {
        "Server for SAP Applications"
    } else if distro.contains("sle_hpc") {
        "High Performance Computing"
    } else {
        "Server"
    };
    if is_numbered {
        return Some(format!("Linux Enterprise {product} {}", release.unwrap_or(major)));
    }
    // `sles-15.3`, or the distribution's own form: `sles-15-SP3`.
    let named = distro.split_once("sp").map(|(_, rest)| {
        let end = rest.find(|c: char| !c.is_ascii_digit()).unwrap_or(rest.len());
        rest.get(..end).unwrap_or_default()
    });
    let pack = release
        .and_then(|release| release.split_once('.'))
        .map(|(_, pack)| pack)
        .or(named.filter(|pack| !pack.is_empty()));
    Some(match pack {
        None | Some("0") => format!("Linux Enterprise {product} {major}"),
        Some(pack) => format!("Linux Enterprise {product} {major} SP{pack}"),
    })
}

/// Distributions that are made from others and have releases, or builds, of their own: an id in a qualifier beside the namespace
/// of the distribution that they are made from says nothing about that one's release.
const DERIVED: [&str; 21] = [
    "antix",
    "astra",
    "deepin",
    "devuan",
    "elementary",
    "endless",
    "kali",
    "linuxmint",
    "lmde",
    "mx",
    "parrot",
    "postmarketos",
    "proxmox",
    "pureos",
    "pve",
    "q4os",
    "raspbian",
    "siduction",
    "sparky",
    "trisquel",
    "zorin",
];

/// Returns true if a distribution is made from another one, and has releases of its own.
pub(super) fn is_derived(distro: &str) -> bool {
    let distro = distro.trim();
    DERIVED.iter().any(|derived| {
        let (id, rest) = (distro.get(..derived.len()), distro.get(derived.len()..));
        id.is_some_and(|id| id.eq_ignore_ascii_case(derived))
            && rest.is_some_and(|rest| !rest.starts_with(|c: char| c.is_ascii_alphabetic()))
    })
}

/// Debian's releases by number and name.
const CODENAMES: [(&str, &str); 11] = [
    ("5", "lenny"),
    ("6", "squeeze"),
    ("7", "wheezy"),
    ("8", "jessie"),
    ("9", "stretch"),
    ("10", "buster"),
    ("11", "bullseye"),
    ("12", "bookworm"),
    ("13", "trixie"),
    ("14", "forky"),
    ("15", "duke"),
];

/// Ubuntu's releases, from the first with advisories.
const UBUNTU_CODENAMES: [(&str, &str); 28] = [
    ("14.04", "trusty"),
    ("14.10", "utopic"),
    ("15.04", "vivid"),
    ("15.10", "wily"),
    ("16.04", "xenial"),
    ("16.10", "yakkety"),
    ("17.04", "zesty"),
    ("17.10", "artful"),
    ("18.04", "bionic"),
    ("18.10", "cosmic"),
    ("19.04", "disco"),
    ("19.10", "eoan"),
    ("20.04", "focal"),
    ("20.10", "groovy"),
    ("21.04", "hirsute"),
    ("21.10", "impish"),
    ("22.04", "jammy"),
    ("22.10", "kinetic"),
    ("23.04", "lunar"),
    ("23.10", "mantic"),
    ("24.04", "noble"),
    ("24.10", "oracular"),
    ("25.04", "plucky"),
    ("25.10", "questing"),
    ("26.04", "resolute"),
    ("26.10", "stonking"),
    ("12.04", "precise"),
    ("10.04", "lucid"),
];

/// Returns the distribution that has a release of this name.
pub(super) fn system_of_codename(distro: &str) -> Option<&'static str> {
    let distro = distro.to_ascii_lowercase();
    let name = named(&distro)?;
    if number_among(&CODENAMES, name).is_some() {
        Some("Debian")
    } else {
        number_among(&UBUNTU_CODENAMES, name).map(|_| "Ubuntu")
    }
}

/// Returns the number of a Debian release in its name, which may follow the distribution's: `debian-bookworm`.
fn codename(distro: &str) -> Option<String> {
    number_of(named(distro)?).map(str::to_owned)
}

/// Returns the release's name: `jammy` of `ubuntu-jammy`, `trixie` of `debian-trixie/sid`.
fn named(distro: &str) -> Option<&str> {
    distro.rsplit(['-', ' ']).next()?.split('/').next()
}

/// Returns true if a word, perhaps with a number after it, is the name of a release since Debian 8 or Ubuntu 14.04.
pub(super) fn is_codename(word: &str) -> bool {
    let word = word.trim_end_matches(|c: char| c.is_ascii_digit());
    let is_of = |releases: &[(&str, &str)]| {
        let mut named = releases
            .iter()
            .filter(|(_, name)| name.eq_ignore_ascii_case(word));
        named.any(|(number, _)| !matches!(*number, "5" | "6" | "7"))
    };
    is_of(&CODENAMES) || is_of(&UBUNTU_CODENAMES)
}

fn number_of(codename: &str) -> Option<&'static str> {
    number_among(&CODENAMES, codename)
}

fn number_among(releases: &[(&'static str, &str)], codename: &str) -> Option<&'static str> {
    releases
        .iter()
        .find(|(_, name)| *name == codename)
        .map(|(number, _)| *number)
}

fn codename_of(number: &str) -> Option<&'static str> {
    CODENAMES
        .iter()
        .find(|(own, _)| *own == number)
        .map(|(_, name)| *name)
}

/// Long-term releases are `22.04:LTS` in OSV: the April releases of even years.
fn ubuntu_release(release: &str) -> Option<String> {
    let (year, month) = release.split_once('.')?;
    let even = year.bytes().last()?.is_multiple_of(2);
    Some(if even && month == "04" {
        format!("{release}:LTS")
    } else {
        release.to_owned()
    })
}

/// Modules from which a SUSE Linux Enterprise Server or Desktop of release 15 gets its packages.
const SUSE_MODULES: [&str; 14] = [
    "Basesystem",
    "Certifications",
    "Confidential Computing",
    "Containers",
    "Desktop Applications",
    "Development Tools",
    "High Performance Computing",
    "Legacy",
    "NVIDIA Compute",
    "Public Cloud",
    "Python 3",
    "Server Applications",
    "Transactional Server",
    "Web and Scripting",
];
/// Modules of release 12, which have no service pack.
const SUSE_MODULES_12: [&str; 6] = [
    "Advanced Systems Management",
    "Containers",
    "Legacy",
    "Public Cloud",
    "Toolchain",
    "Web and Scripting",
];
/// Other products of the same release whose packages may be installed on a Server or Desktop.
const SUSE_EXTENSIONS: [&str; 6] = [
    "Linux Enterprise High Availability Extension",
    "Linux Enterprise Live Patching",
    "Linux Enterprise Real Time",
    "Linux Enterprise Software Development Kit",
    "Linux Enterprise Workstation Extension",
    "Package Hub",
];
/// A release without general support has vulnerabilities for which only subscribers get fixes.
const SUSE_LONG_TERM: [&str; 6] = [
    "-LTSS",
    " LTSS",
    " LTSS EXTREME CORE",
    "-ESPOS",
    "-BCL",
    "-TERADATA",
];

/// Returns the ecosystems besides a release's own whose advisories apply to its packages.
pub(super) fn beside(ecosystem: &str, release: &str) -> Vec<String> {
    // A source that does not distinguish releases means all of them.
    let mut also = vec![ecosystem.to_owned()];
    also.extend(spelt_otherwise(ecosystem, release));
    match ecosystem {
        // A system without the subscription has vulnerabilities for which only subscribers get fixes.
        "Ubuntu" => also.push(format!("Ubuntu:Pro:{release}")),
        "Red Hat" => red_hat::beside(release, &mut also),
        "FreeBSD:ports" => also.push("FreeBSD".to_owned()),
        "Docker Hardened Images:Alpine" => {
            also.push(DOCKER_NAMES[0].to_owned());
            also.extend(shortened(&also, ecosystem, release));
        }
        "Docker Hardened Images:Debian" => {
            also.push(DOCKER_NAMES[0].to_owned());
            also.extend(number_of(release).map(|number| format!("{ecosystem}:{number}")));
            also.extend(shortened(&also, ecosystem, release));
        }
        "SUSE" => {
            // These include a Server.
            let larger = [
                "Server for SAP Applications ",
                "Server for SAP applications ",
                "High Performance Computing ",
            ];
            let own = format!("{ecosystem}:{release}");
            let of_larger = |product| release.strip_prefix("Linux Enterprise ")?.strip_prefix(product);
            let of_larger = larger.into_iter().find_map(of_larger);
            also.extend(of_larger.map(|release| format!("{ecosystem}:Linux Enterprise Server {release}")));
            let product = of_larger
                .or_else(|| release.strip_prefix("Linux Enterprise Server "))
                .or_else(|| release.strip_prefix("Linux Enterprise Desktop "));
            let Some(release) = product else { return also };
            let major = release.split(' ').next().unwrap_or(release);
            let (modules, of) = match major {
                "12" => (&SUSE_MODULES_12[..], major),
                "15" => (&SUSE_MODULES[..], release),
                _ => (&[][..], release),
            };
            let module = |name: &&str| format!("{ecosystem}:Linux Enterprise Module for {name} {of}");
            also.extend(modules.iter().map(module));
            let extension = |name: &&str| format!("{ecosystem}:{name} {release}");
            also.extend(SUSE_EXTENSIONS.iter().map(extension));
            let server = format!("{ecosystem}:Linux Enterprise Server {release}");
            also.push(format!(
                "{ecosystem}:Linux Enterprise Server LTSS Extended Security {release}"
            ));
            let long_term = |of: &str| SUSE_LONG_TERM.map(|end| format!("{of}{end}"));
            also.extend(long_term(&server));
            also.extend(
                Some(own)
                    .filter(|own| *own != server)
                    .iter()
                    .flat_map(|own| long_term(own)),
            );
        }
        _ => {}
    }
    also
}

/// The ecosystem name of Docker's Hardened Images.
pub(super) const DOCKER_NAMES: [&str; 2] = ["Docker Hardened Images", "DHI"];

/// Returns the ecosystems of Docker's images by their short name.
fn shortened(also: &[String], ecosystem: &str, release: &str) -> Vec<String> {
    let [long, short] = DOCKER_NAMES;
    let own = format!("{ecosystem}:{release}");
    let all = also.iter().map(String::as_str).chain([own.as_str()]);
    all.filter_map(|name| Some([short, name.strip_prefix(long)?].concat()))
        .collect()
}

/// Other spellings of a release's ecosystem in sources: with the release's name, or without OSV's additions to its
/// number.
fn spelt_otherwise(ecosystem: &str, release: &str) -> Option<String> {
    let otherwise = match ecosystem {
        "Debian" => codename_of(release)?.to_owned(),
        "Ubuntu" => match release.strip_suffix(":LTS") {
            Some(number) => number.to_owned(),
            None => format!("{release}:LTS"),
        },
        "Alpine" => release.strip_prefix('v')?.to_owned(),
        _ => return None,
    };
    Some(format!("{ecosystem}:{otherwise}"))
}

/// Returns true if two ecosystems are the same release of the same distribution.
pub(super) fn is_same_release(own: &str, other: &str) -> bool {
    let [long, short] = DOCKER_NAMES;
    if let (Some(own), Some(other)) = (own.strip_prefix(long), other.strip_prefix(short)) {
        return own == other;
    }
    let split = own.split_once(':');
    split.is_some_and(|(ecosystem, release)| spelt_otherwise(ecosystem, release).as_deref() == Some(other))
}
