//! Which product a statement is about, and whether an SBOM is that product's.
//!
//! A statement about a library in product A says nothing of the library in product B. What an SBOM describes has a
//! package URL, a name and a version, or nothing of these; what a statement names its product by varies as much. Where
//! the two can be compared, the answer counts. Where an SBOM does not say what it describes, a document that was given
//! for it is taken to be about it, and one that is kept for all scans is not.

use std::sync::Arc;

use starling_scanner::purl::PackageUrl;
use starling_scanner::sbom::{BomReferences, Component, ComponentKind, Inventory};

use super::is_about;

/// A product that a statement names a part of.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Whole {
    /// Its package URLs.
    pub(crate) purls: Vec<PackageUrl>,
    /// What else it is called: names, with versions or without, CPEs, references to images.
    pub(crate) names: Vec<String>,
    /// The serial number of the SBOM that describes it, and that SBOM's version.
    pub(crate) bom: Option<(String, Option<String>)>,
}

/// The products of which a statement names a part: any of them will do. None if it names the package itself.
pub(crate) type Within = Arc<[Arc<Whole>]>;

/// An SBOM, as far as statements name it.
#[derive(Debug, Default)]
pub(crate) struct Scanned<'a> {
    /// What it describes, if that is one thing alone.
    pub(crate) subject: Option<&'a Component>,
    /// It describes several things.
    pub(crate) several: bool,
    /// The operating system that its packages were found on.
    pub(crate) distro: Option<&'a str>,
    /// Its serial number, and its components by their references. Read where a statement needs them.
    pub(crate) references: Option<BomReferences>,
}

impl<'a> Scanned<'a> {
    /// What the inventory of an SBOM says.
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
        }
    }

    /// The package URL of what it describes.
    pub(crate) fn purl(&self) -> Option<&PackageUrl> {
        self.subject?.purl.as_ref()
    }

    /// True if statements about parts of one of these products are about this SBOM. `kept` says that the document was
    /// not given for this SBOM in particular.
    pub(crate) fn is_of_any(&self, within: &Within, kept: bool) -> bool {
        within.is_empty()
            || within
                .iter()
                .any(|whole| self.is_of(whole).unwrap_or(!kept && !self.several))
    }

    /// Whether it describes a product; nothing if the two have no names that can be compared.
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
            // Where both have package URLs, those were compared.
            subject.purl.is_none() && is_called(subject, name, version)
        });
        let by_name = whole.names.iter().any(|name| is_named(subject, name));
        if by_purl || by_name {
            return Some(true);
        }
        let nameable = !whole.purls.is_empty() || !whole.names.is_empty();
        (compared || nameable).then_some(false)
    }

    /// True if a CPE names the operating system that the SBOM's packages were found on.
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

/// True if two serial numbers are one UUID, whatever stands before it.
pub(crate) fn same_serial(a: &str, b: &str) -> bool {
    let bare = |serial: &str| serial.trim().trim_start_matches("urn:uuid:").to_ascii_lowercase();
    bare(a) == bare(b)
}

/// True if a name is a component's, alone or with its version behind it.
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

/// True if a component has this name, and this version where both have one.
fn is_called(component: &Component, name: &str, version: Option<&str>) -> bool {
    let own = component.version.as_deref();
    component.name.eq_ignore_ascii_case(name) && version.zip(own).is_none_or(|(version, own)| version == own)
}

/// True if what is said of a product is said of what an SBOM describes: as of packages, but for images, which are
/// the same by their digest, or by their repository where the statement names no digest.
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

/// A repository's address as it is compared: without the names that one registry has for its doors.
fn bare_repository(address: &str) -> String {
    let address = address.trim().trim_end_matches('/');
    let address = address.split_once("://").map_or(address, |(_, rest)| rest);
    let lower = address.to_ascii_lowercase();
    let door = ["index.", "registry-1."]
        .iter()
        .find_map(|door| lower.strip_prefix(door));
    door.map_or(lower.clone(), str::to_owned)
}

/// The package URL of an image that a text names with its digest: `registry.example/shop@sha256:…`.
pub(crate) fn image_of(text: &str) -> Option<PackageUrl> {
    let (repository, digest) = text.trim().split_once('@')?;
    let well_formed = is_digest(digest)
        && !repository.is_empty()
        && !repository.contains(char::is_whitespace)
        && !repository.starts_with("pkg:");
    if !well_formed {
        return None;
    }
    // A tag stands behind the last slash.
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
