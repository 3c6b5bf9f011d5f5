//! Releases of distributions: a package's release in OSV's terms, and the products that are part of it.

pub(super) mod red_hat;
pub(super) mod suse;

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
        // Up to release 3, the second number is that of a release of its own.
        "Debian" if parts(1).as_deref() == Some("3") => parts(2),
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
            // The version of OpenShift's hosts is that of OpenShift.
            let parts = |n: usize| match red_hat::branch::is_of_openshift(&distro) {
                true => {
                    let (major, minor) = red_hat::branch::Host::of(&distro)?.minor();
                    leading_numbers(&format!("{major}.{minor}"), n)
                }
                false => parts(n),
            };
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
            // Its `VERSION` has the rest in brackets: `22.03 (LTS-SP3)`.
            let digits = digits?.to_ascii_uppercase().replace(" (", "-");
            let release = digits.trim_end_matches(|c: char| !c.is_ascii_alphanumeric());
            let long_term = matches!(release, "20.03" | "22.03" | "24.03" | "26.03");
            Some(format!("{release}{}", if long_term { "-LTS" } else { "" }))
        }
        "Alpaquita" | "BellSoft Hardened Containers" if distro.contains("stream") => {
            Some("stream".to_owned())
        }
        "Alpaquita" | "BellSoft Hardened Containers" => parts(1),
        // These are made of its packages.
        "openSUSE"
            if ["tumbleweed", "microos", "slowroll"]
                .iter()
                .any(|name| distro.contains(name)) =>
        {
            Some("Tumbleweed".to_owned())
        }
        "openSUSE" if distro.contains("micro") => parts(2).map(|release| format!("Leap Micro {release}")),
        "openSUSE" => parts(2).map(|release| format!("Leap {release}")),
        "SUSE" => suse::release(parts(1)?.as_str(), parts(2).as_deref(), &distro),
        _ => None,
    }
}

/// Returns the first `n` of a dotted number's components; `None` if there are fewer.
fn leading_numbers(text: &str, n: usize) -> Option<String> {
    let parts: Vec<&str> = text.split('.').take(n).collect();
    (parts.len() == n && parts.iter().all(|p| !p.is_empty())).then(|| parts.join("."))
}

/// Distributions that are made from others and have releases, or builds, of their own: an id in a qualifier beside the namespace
/// of the distribution that they are made from says nothing about that one's release.
const DERIVED: [&str; 22] = [
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
    "pop",
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
const CODENAMES: [(&str, &str); 12] = [
    ("4", "etch"),
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
        named.any(|(number, _)| !matches!(*number, "4" | "5" | "6" | "7"))
    };
    is_of(&CODENAMES) || is_of(&UBUNTU_CODENAMES)
}

/// Returns true for an old release of Debian by its name. Debian's lists, which name it so, say only what was fixed in it.
pub(super) fn is_known_in_part(ecosystem: &str) -> bool {
    let name = ecosystem.strip_prefix("Debian:").unwrap_or_default();
    let number = number_of(name).and_then(|number| number.parse::<u32>().ok());
    number.is_some_and(|number| number < 11)
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

/// Returns the ecosystems besides a release's own whose advisories apply to a package with these texts: its source's name, its own,
/// and its version.
pub(super) fn beside(ecosystem: &str, release: &str, texts: [&str; 3]) -> Vec<String> {
    // A source that does not distinguish releases means all of them.
    let mut also = vec![ecosystem.to_owned()];
    also.extend(spelt_otherwise(ecosystem, release));
    match ecosystem {
        // A system without the subscription has vulnerabilities for which only subscribers get fixes.
        "Ubuntu" => {
            also.push(format!("Ubuntu:Pro:{release}"));
            // The kernel of real-time systems, in both spellings of the source.
            also.push(format!("Ubuntu:Pro:{release}:Realtime:Kernel"));
            also.push(format!("Ubuntu:Pro:Realtime:{release}"));
            also.extend(of_special_builds(release, texts));
        }
        "Red Hat" => {
            red_hat::beside(release, &mut also);
            also.extend(red_hat::branch::product_of(texts[2], release));
        }
        "openSUSE" => also.extend(suse::opensuse_repositories(release)),
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
        "SUSE" => suse::beside(release, &mut also),
        _ => {}
    }
    also
}

/// Returns the ecosystems of Ubuntu's builds for some systems, for a package whose name or version tells that it is one of these. Of those
/// about certified builds, the first that speaks about a vulnerability decides.
fn of_special_builds(release: &str, texts: [&str; 3]) -> Vec<String> {
    let is_of = |word: &str| texts.iter().any(|text| text.contains(word));
    let mut also = Vec::new();
    if is_of("fips") || is_certified(texts[2]) {
        also.extend(CERTIFIED.map(|builds| format!("Ubuntu:Pro:{builds}:{release}")));
    }
    if is_of("bluefield") {
        also.push(format!("Ubuntu:{release}:for:NVIDIA:BlueField"));
        also.push(format!("Ubuntu:Nvidia-BlueField:{release}"));
    }
    also
}

/// Ubuntu's certified builds: those that get updates, those that get none, and those that are not certified yet.
const CERTIFIED: [&str; 3] = ["FIPS-updates", "FIPS", "FIPS-preview"];

/// Returns true if a version says that its build is a certified one: `1.1.1f-1ubuntu2.fips.22`, `3.0.2-0ubuntu1.10+Fips1`.
pub(super) fn is_certified(version: &str) -> bool {
    let mut words = version.as_bytes().windows(4);
    words.any(|word| word.eq_ignore_ascii_case(b"fips"))
}

/// Returns true for the ecosystem of Ubuntu's certified builds.
pub(super) fn is_of_certified(ecosystem: &str) -> bool {
    ecosystem.starts_with("Ubuntu:Pro:FIPS")
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
/// number, or with the minor number of old releases.
fn spelt_otherwise(ecosystem: &str, release: &str) -> Vec<String> {
    let otherwise: Vec<String> = match ecosystem {
        "Debian" => {
            let old = matches!(release, "4" | "5" | "6").then(|| format!("{release}.0"));
            let named = codename_of(release).map(str::to_owned);
            named.into_iter().chain(old).collect()
        }
        "Ubuntu" => vec![match release.strip_suffix(":LTS") {
            Some(number) => number.to_owned(),
            None => format!("{release}:LTS"),
        }],
        "Alpine" => release.strip_prefix('v').map(str::to_owned).into_iter().collect(),
        _ => Vec::new(),
    };
    let spelt = otherwise.iter().map(|release| format!("{ecosystem}:{release}"));
    spelt.collect()
}

/// Returns true if two ecosystems are the same release of the same distribution.
pub(super) fn is_same_release(own: &str, other: &str) -> bool {
    let [long, short] = DOCKER_NAMES;
    if let (Some(own), Some(other)) = (own.strip_prefix(long), other.strip_prefix(short)) {
        return own == other;
    }
    let split = own.split_once(':');
    split.is_some_and(|(ecosystem, release)| {
        spelt_otherwise(ecosystem, release)
            .iter()
            .any(|spelt| spelt == other)
    })
}
