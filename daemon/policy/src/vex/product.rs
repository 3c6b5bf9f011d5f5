//! The product of a statement, and the check if an SBOM is of that product.
//!
//! A statement about a library in product A is not about the library in product B. The subject of an SBOM has a
//! package URL, a name and a version, or none of these, and statements name their products in as many ways. If the
//! two can be compared, the result decides. If an SBOM does not say what it describes, a document that was given for
//! it applies, and a document that is stored for all scans does not.

use std::sync::Arc;

use starling_protocol::UnixMillis;
use starling_scanner::purl::PackageUrl;
use starling_scanner::sbom::{BomReferences, Component, ComponentKind, Inventory};

use super::is_about;

/// A product of which a statement names a part.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Whole {
    /// Its package URLs.
    pub(crate) purls: Vec<PackageUrl>,
    /// Its other names: with or without versions, CPEs, references to images.
    pub(crate) names: Vec<String>,
    /// The serial number and version of the SBOM that describes it.
    pub(crate) bom: Option<(String, Option<String>)>,
}

/// The products of a statement's package: any of them is enough. Empty if the statement is about the package itself.
pub(crate) type Within = Arc<[Arc<Whole>]>;

/// The properties of an SBOM to which statements can refer.
#[derive(Debug, Default)]
pub(crate) struct Scanned<'a> {
    /// Its subject, if it is a single thing.
    pub(crate) subject: Option<&'a Component>,
    /// True if it describes several things.
    pub(crate) several: bool,
    /// The operating system on which its packages were found.
    pub(crate) distro: Option<&'a str>,
    /// Its serial number, and its components by reference. Read only if statements need them.
    pub(crate) references: Option<BomReferences>,
    /// The time of the scan.
    pub(crate) as_of: Option<UnixMillis>,
}

impl<'a> Scanned<'a> {
    /// Returns the properties of an inventory.
    pub(crate) fn of(inventory: &'a Inventory) -> Self {
        let mut described = inventory
            .components
            .iter()
            .filter(|component| component.kind == ComponentKind::Subject);
        let (first, second) = (described.next(), described.next());
        let several = second.is_some() || inventory.describes_several;
        Self {
            subject: first.filter(|_| !several),
            several,
            distro: inventory.distro.as_deref(),
            references: None,
            as_of: None,
        }
    }

    /// Returns the package URL of its subject.
    pub(crate) fn purl(&self) -> Option<&PackageUrl> {
        self.subject?.purl.as_ref()
    }

    /// Returns true if statements about parts of one of these products apply to this SBOM. `kept` is true if the
    /// document was not given for this SBOM in particular.
    pub(crate) fn is_of_any(&self, within: &Within, kept: bool) -> bool {
        within.is_empty()
            || within
                .iter()
                .any(|whole| self.is_of(whole).unwrap_or(!kept && !self.several))
    }

    /// Returns true if it describes a product; `None` if the two have no comparable names.
    fn is_of(&self, whole: &Whole) -> Option<bool> {
        let serial = self.references.as_ref().and_then(|bom| bom.serial.as_deref());
        if let (Some((named, version)), Some(serial)) = (&whole.bom, serial) {
            let own = self.references.as_ref().and_then(|bom| bom.version.as_deref());
            let same_version = version
                .as_deref()
                .zip(own)
                .is_none_or(|(named, own)| named == own);
            return Some(same_serial(named, serial) && same_version);
        }
        if whole.names.iter().any(|name| self.runs_on(name)) {
            return Some(true);
        }
        let subject = self.subject?;
        let mut compared = false;
        if let Some(purl) = &subject.purl {
            if whole.purls.iter().any(|named| is_product(named, purl)) {
                return Some(true);
            }
            compared = !whole.purls.is_empty();
        }
        let names = whole.purls.iter().map(|purl| (purl.name(), purl.version()));
        let by_purl = names.into_iter().any(|(name, version)| {
            // If both have package URLs, those were already compared.
            subject.purl.is_none() && is_called(subject, name, version)
        });
        let by_name = whole.names.iter().any(|name| is_named(subject, name));
        if by_purl || by_name {
            return Some(true);
        }
        let nameable = !whole.purls.is_empty() || !whole.names.is_empty();
        (compared || nameable).then_some(false)
    }

    /// Returns true if a CPE names the operating system on which the SBOM's packages were found.
    fn runs_on(&self, cpe: &str) -> bool {
        let Some(distro) = self.distro else { return false };
        let bare = cpe.strip_prefix("cpe:/").or_else(|| cpe.strip_prefix("cpe:2.3:"));
        let Some(bare) = bare else { return false };
        let mut fields = bare.split(':').skip(1);
        let (vendor, product) = (
            fields.next().unwrap_or_default(),
            fields.next().unwrap_or_default(),
        );
        let version = fields.next().unwrap_or_default();
        let update = fields.next().unwrap_or_default();
        let ids: &[&str] = match (vendor, product) {
            ("redhat", "enterprise_linux") => &["rhel", "redhat"],
            ("debian", "debian_linux") => &["debian"],
            ("canonical", "ubuntu_linux") => &["ubuntu"],
            ("suse", "sles") => &["sles"],
            ("suse", "sled") => &["sled"],
            ("opensuse", "leap") => &["opensuse-leap", "opensuse"],
            ("almalinux", "almalinux") => &["almalinux", "alma"],
            ("rocky" | "rockylinux", _) => &["rocky"],
            _ => return false,
        };
        let Some((id, release)) = distro.rsplit_once('-') else {
            return false;
        };
        let release_of_cpe = match update.strip_prefix("sp") {
            Some(pack) => format!("{version}.{pack}"),
            None => version.to_owned(),
        };
        let rest = release.strip_prefix(release_of_cpe.as_str());
        !version.is_empty()
            && ids.contains(&id)
            && rest.is_some_and(|rest| rest.is_empty() || rest.starts_with('.'))
    }
}

/// Returns true if two serial numbers are the same UUID, with any prefix.
pub(crate) fn same_serial(a: &str, b: &str) -> bool {
    let bare = |serial: &str| serial.trim().trim_start_matches("urn:uuid:").to_ascii_lowercase();
    bare(a) == bare(b)
}

/// Returns true if a name is a component's, with or without its version.
fn is_named(component: &Component, name: &str) -> bool {
    let name = name.trim();
    if component.name.eq_ignore_ascii_case(name) {
        return true;
    }
    let rest = name
        .get(..component.name.len())
        .filter(|start| start.eq_ignore_ascii_case(&component.name))
        .and_then(|start| name.get(start.len()..));
    let version = rest.map(|rest| {
        rest.trim_start_matches([' ', ':', '@', '-', '/'])
            .trim_start_matches('v')
    });
    let own = component
        .version
        .as_deref()
        .map(|own| own.trim_start_matches('v'));
    version.is_some_and(|version| !version.is_empty() && own == Some(version))
}

/// Returns true if a component has this name, and this version if both have one.
fn is_called(component: &Component, name: &str, version: Option<&str>) -> bool {
    let own = component.version.as_deref();
    component.name.eq_ignore_ascii_case(name) && version.zip(own).is_none_or(|(version, own)| version == own)
}

/// Returns true if a statement's product is the subject of an SBOM. Packages are compared as usual; images are equal
/// by digest, or by repository if the statement has no digest.
pub(crate) fn is_product(said: &PackageUrl, described: &PackageUrl) -> bool {
    if said.ty() != "oci" || described.ty() != "oci" {
        return is_about(said, described);
    }
    if let (Some(named), Some(own)) = (said.version(), described.version())
        && is_digest(named)
        && is_digest(own)
    {
        return named.eq_ignore_ascii_case(own);
    }
    let same = |key: &str| {
        let (named, own) = (said.qualifier(key), described.qualifier(key));
        named.is_none() || named == own
    };
    let repository = |purl: &PackageUrl| purl.qualifier("repository_url").map(bare_repository);
    let (named, own) = (repository(said), repository(described));
    said.name() == described.name()
        && said
            .version()
            .is_none_or(|version| described.version() == Some(version))
        && (named.is_none() || named == own)
        && ["arch", "tag", "os"].into_iter().all(same)
}

fn is_digest(text: &str) -> bool {
    text.split_once(':')
        .is_some_and(|(algorithm, _)| algorithm.starts_with("sha"))
}

/// Returns a repository's address for comparison: without the alternative host names of one registry.
fn bare_repository(address: &str) -> String {
    let address = address.trim().trim_end_matches('/');
    let address = address.split_once("://").map_or(address, |(_, rest)| rest);
    let lower = address.to_ascii_lowercase();
    let door = ["index.", "registry-1."]
        .iter()
        .find_map(|door| lower.strip_prefix(door));
    door.map_or(lower.clone(), str::to_owned)
}

/// Returns the package URL of an image given with its digest: `registry.example/shop@sha256:…`.
pub(crate) fn image_of(text: &str) -> Option<PackageUrl> {
    let (repository, digest) = text.trim().split_once('@')?;
    let well_formed = is_digest(digest)
        && !repository.is_empty()
        && !repository.contains(char::is_whitespace)
        && !repository.starts_with("pkg:");
    if !well_formed {
        return None;
    }
    // A tag follows the last slash.
    let (path, name) = repository
        .rsplit_once('/')
        .map_or(("", repository), |(path, name)| (path, name));
    let name = name.split(':').next().unwrap_or(name);
    let address = if path.is_empty() {
        name.to_owned()
    } else {
        format!("{path}/{name}")
    };
    let text = format!(
        "pkg:oci/{name}@{}?repository_url={address}",
        digest.replace(':', "%3A")
    );
    PackageUrl::parse_lenient(&text).ok()
}
