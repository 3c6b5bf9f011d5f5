//! The products of SUSE whose packages a host may have: modules, extensions, and longer support of its release.

/// Returns `Linux Enterprise Server 15 SP3` for `sles-15.3`; without a service pack the first release is meant.
pub(super) fn release(major: &str, release: Option<&str>, distro: &str) -> Option<String> {
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

/// Modules from which a SUSE Linux Enterprise Server or Desktop of release 15 gets its packages.
const MODULES: [&str; 26] = [
    "Advanced Systems Management",
    "Basesystem",
    "Certifications",
    "Confidential Computing",
    "Containers",
    "Desktop Applications",
    "Development Tools",
    "High Performance Computing",
    "Legacy",
    "Legacy Software",
    "Live Patching",
    "NVIDIA Compute",
    "Open Buildservice Development Tools",
    "Package Hub",
    "Public Cloud",
    "Python 2",
    "Python 3",
    "Python2",
    "Python2 packages",
    "Realtime",
    "Realtime packages",
    "SAP Applications",
    "Server Applications",
    "Transactional Server",
    "Web and Scripting",
    "Web Scripting",
];
/// Modules of release 12, which have no service pack.
const MODULES_12: [&str; 11] = [
    "Advanced Systems Management",
    "Certifications",
    "Containers",
    "High Performance Computing",
    "HPC",
    "Legacy",
    "Legacy Software",
    "Public Cloud",
    "Toolchain",
    "Web and Scripting",
    "Web Scripting",
];
/// Other products of the same release whose packages may be installed on a Server or Desktop.
const EXTENSIONS: [&str; 14] = [
    "Linux Enterprise Debuginfo",
    "Linux Enterprise High Availability",
    "Linux Enterprise High Availability Extension",
    "Linux Enterprise Live Patching",
    "Linux Enterprise Real Time",
    "Linux Enterprise Real Time Extension",
    "Linux Enterprise Server Business Critical Linux",
    "Linux Enterprise Server Teradata",
    "Linux Enterprise Software Bootstrap Kit",
    "Linux Enterprise Software Development Kit",
    "Linux Enterprise Workstation Extension",
    "Package Hub",
    "Real Time Module",
    "SLES-LTSS-TERADATA",
];
/// A release without general support has vulnerabilities for which only subscribers get fixes.
const LONG_TERM: [&str; 10] = [
    "-LTSS",
    " LTSS",
    " LTSS EXTREME CORE",
    " EXTREME CORE",
    "-LTSS Extended Security",
    "-LTSS-TERADATA",
    "-ESPOS",
    "-BCL",
    "-TERADATA",
    " for Teradata",
];

/// Adds the ecosystems besides a product's own.
pub(super) fn beside(release: &str, also: &mut Vec<String>) {
    // These include a Server.
    let larger = [
        "Server for SAP Applications ",
        "Server for SAP applications ",
        "High Performance Computing ",
    ];
    let own = format!("SUSE:{release}");
    let of_larger = |product| release.strip_prefix("Linux Enterprise ")?.strip_prefix(product);
    let of_larger = larger.into_iter().find_map(of_larger);
    also.extend(of_larger.map(|release| format!("SUSE:Linux Enterprise Server {release}")));
    let product = of_larger
        .or_else(|| release.strip_prefix("Linux Enterprise Server "))
        .or_else(|| release.strip_prefix("Linux Enterprise Desktop "));
    let Some(release) = product else {
        also.extend(micro(release));
        return;
    };
    let major = release.split(' ').next().unwrap_or(release);
    let (modules, of) = match major {
        "12" => (&MODULES_12[..], major),
        "15" => (&MODULES[..], release),
        _ => (&[][..], release),
    };
    let module = |name: &&str| format!("SUSE:Linux Enterprise Module for {name} {of}");
    also.extend(modules.iter().map(module));
    let extension = |name: &&str| format!("SUSE:{name} {release}");
    also.extend(EXTENSIONS.iter().map(extension));
    if major == "12" {
        also.push(format!("SUSE:Package Hub {major}"));
    }
    also.extend(appliances(release).map(|product| format!("SUSE:{product}")));
    let server = format!("SUSE:Linux Enterprise Server {release}");
    also.push(format!(
        "SUSE:Linux Enterprise Server LTSS Extended Security {release}"
    ));
    let long_term = |of: &str| LONG_TERM.map(|end| format!("{of}{end}"));
    also.extend(long_term(&server));
    also.extend(
        Some(own)
            .filter(|own| *own != server)
            .iter()
            .flat_map(|own| long_term(own)),
    );
}

/// Products of SUSE with few packages: advisories about them show no knowledge of a release.
const SMALL: [&str; 8] = [
    "Linux Enterprise Module for Live Patching ",
    "Linux Enterprise Module for Open Buildservice ",
    "Linux Enterprise Module for Package Hub ",
    "Linux Enterprise Module for Realtime",
    "Linux Enterprise Module for SAP ",
    "Linux Enterprise Server Business Critical ",
    "Linux Enterprise Server Teradata ",
    "Linux Enterprise Server LTSS ",
];

/// Returns true if advisories about a product of SUSE show knowledge of a host's release: its modules, and the Server
/// that is part of other products.
pub(in super::super) fn is_known_by(own: &str, ecosystem: &str) -> bool {
    let Some(product) = ecosystem.strip_prefix("SUSE:") else {
        return false;
    };
    let is_part = product.starts_with("Linux Enterprise Module ")
        || (own.starts_with("SUSE:Linux Enterprise ") && product.starts_with("Linux Enterprise Server "));
    is_part && !SMALL.iter().any(|small| product.starts_with(small))
}

/// Returns the ecosystems of openSUSE Leap's other repositories.
pub(super) fn opensuse_repositories(release: &str) -> Vec<String> {
    let Some(number) = release
        .strip_prefix("Leap ")
        .filter(|rest| !rest.starts_with("Micro"))
    else {
        return Vec::new();
    };
    let mut also = vec![format!("openSUSE:Leap {number} NonFree")];
    if let Some(("15", pack)) = number.split_once('.') {
        also.push(format!("openSUSE:Backports SLE-15-SP{pack}"));
    }
    also
}

/// Products that are made of a release of SUSE Linux Enterprise Server and more: they get fixes longer than that.
const APPLIANCES: [(&str, &[&str]); 7] = [
    ("12 SP2", &["OpenStack Cloud 7"]),
    (
        "12 SP3",
        &[
            "OpenStack Cloud 8",
            "OpenStack Cloud Crowbar 8",
            "HPE Helion OpenStack 8",
        ],
    ),
    ("12 SP4", &["OpenStack Cloud 9", "OpenStack Cloud Crowbar 9"]),
    ("15 SP1", &["CaaS Platform 4.0", "Enterprise Storage 6"]),
    ("15 SP2", &["Enterprise Storage 7"]),
    ("15 SP3", &["Enterprise Storage 7.1"]),
    ("15 SP4", &[]),
];

/// Returns the releases, as `15.3`, of which other products are made.
pub(crate) fn hosts() -> impl Iterator<Item = String> {
    APPLIANCES.iter().map(|(release, _)| release.replace(" SP", "."))
}

/// Returns the products that are made of a release, among them the managers of hosts (4.0 of the first service pack of 15).
fn appliances(release: &str) -> impl Iterator<Item = String> {
    let found = APPLIANCES.iter().find(|(own, _)| *own == release);
    let named = found.map_or(&[][..], |(_, products)| products);
    let pack = release.strip_prefix("15 SP").filter(|_| found.is_some());
    let version = pack.and_then(|pack| pack.parse::<u32>().ok()?.checked_sub(1));
    let managers = ["Manager Server", "Manager Proxy", "Manager Retail Branch Server"];
    let managers = version
        .into_iter()
        .flat_map(move |minor| managers.map(|name| format!("{name} 4.{minor}")));
    named.iter().map(|name| (*name).to_owned()).chain(managers)
}

/// Returns the other products from which a SUSE Linux Micro of this release gets its packages.
fn micro(release: &str) -> Vec<String> {
    let products: &[&str] = match release.split_once("Micro ") {
        Some(("Linux ", _)) => &["Linux Enterprise Micro", "Linux Micro Extras"],
        Some(("Linux Enterprise ", _)) => &["Linux Enterprise Micro for Rancher"],
        _ => &[],
    };
    let number = release.rsplit(' ').next().unwrap_or_default();
    let named = products.iter().map(|product| format!("SUSE:{product} {number}"));
    named.collect()
}
