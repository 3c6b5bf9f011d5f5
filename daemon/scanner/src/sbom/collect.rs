//! The common part of all readers: collects the components they find.

use std::collections::BTreeSet;

use super::components::Components;
use super::same_version::says_the_same;
use super::{Component, ComponentKind, Format, Inventory, MAX_COMPONENTS, Note, Place, SbomError};
use crate::cpe::Cpe;
use crate::origin::Origin;
use crate::purl::osv::{is_of_registry_or_distribution, version_from};
use crate::purl::{PackageUrl, PurlParts};

/// Most notes of one document: as many as it may have components.
const MAX_NOTES: usize = MAX_COMPONENTS;

/// The name of a component that has none.
const UNNAMED: &str = "(unnamed)";

/// Most CPE names of one component.
const MAX_CPES: usize = 64;

/// Collects components and notes in document order.
#[derive(Debug, Default)]
pub(super) struct Collector {
    components: Components,
    /// Components that are still to come, if known.
    expected: usize,
    notes: Vec<Note>,
    distro: Option<String>,
    /// True if several operating systems are named: then none of them applies to packages without their own.
    has_several_distros: bool,
    pub(super) describes_several: bool,
    /// True if a package URL of the next component could not be read.
    has_unread_purl: bool,
    overflow: usize,
    unnoted: usize,
}

/// A component as found by a reader; texts may be empty.
#[derive(Debug)]
pub(super) struct Found<'a> {
    pub(super) name: &'a str,
    pub(super) version: &'a str,
    pub(super) purls: Vec<PackageUrl>,
    pub(super) cpes: Vec<&'a str>,
    pub(super) kind: ComponentKind,
    pub(super) place: &'a Place,
}

impl Collector {
    /// Notes how many components are to come.
    pub(super) fn expect(&mut self, components: usize) {
        self.expected = components;
    }

    pub(super) fn note(&mut self, place: &Place, text: impl Into<String>) {
        if self.notes.len() >= MAX_NOTES {
            self.unnoted += 1;
            return;
        }
        self.notes.push(Note {
            place: place.clone(),
            text: text.into(),
        });
    }

    /// Parses a package URL; an empty one counts as missing, an unreadable one is noted.
    pub(super) fn purl(&mut self, text: &str, place: &Place) -> Option<PackageUrl> {
        let text = text.trim();
        if text.is_empty() {
            return None;
        }
        match PackageUrl::parse_lenient(text) {
            Ok(purl) => Some(purl),
            Err(error) => {
                self.note(place, format!("{error}; the component is counted as unknown"));
                self.has_unread_purl = true;
                None
            }
        }
    }

    /// Adds a component. One with several package URLs becomes several components, because each URL can be checked;
    /// repeated URLs are ignored. One without name and URL is noted, and counted as unknown.
    pub(super) fn add(&mut self, found: Found<'_>) {
        self.add_with(found, None);
    }

    /// Adds a component, with the document's data about its build.
    pub(super) fn add_with(&mut self, found: Found<'_>, mut origin: Option<Box<Origin>>) {
        let (mut name, stated) = (found.name.trim(), present_version(found.version));
        // A thing with a package URL is a package, even if the URL cannot be read.
        let kind = match found.kind {
            ComponentKind::Other if self.has_unread_purl => ComponentKind::Package,
            kind => kind,
        };
        self.has_unread_purl = false;
        if found.purls.is_empty() && name.is_empty() {
            if kind == ComponentKind::Subject {
                self.note(found.place, "it has neither name nor package URL and was skipped");
                return;
            }
            self.note(
                found.place,
                "it has neither name nor package URL; it is counted as unknown",
            );
            name = UNNAMED;
        }
        let mut cpes = self.cpes(&found);
        let nameless = found.purls.is_empty().then_some(None);
        let mut purls = distinct(found.purls)
            .into_iter()
            .map(Some)
            .chain(nameless)
            .peekable();
        while let Some(purl) = purls.next() {
            if self.components.len() >= MAX_COMPONENTS {
                self.overflow += 1;
                continue;
            }
            let name = match (&purl, name) {
                (Some(purl), "") => purl.name().to_owned(),
                _ => name.to_owned(),
            };
            let version = match &purl {
                Some(purl) => {
                    self.note_other_version(purl, stated, found.place);
                    version_from(purl, origin.as_deref(), stated)
                }
                None => stated.map(str::to_owned),
            };
            let place = found.place.clone();
            let origin = match purls.peek() {
                Some(_) => origin.clone(),
                None => origin.take(),
            };
            let component = Component {
                name,
                version,
                purl,
                cpes: cpes.take(),
                origin,
                kind,
                place,
            };
            self.components.push(component, self.expected);
            self.expected = self.expected.saturating_sub(1);
        }
    }

    /// Notes a component whose package URL has another version than the component itself. One that says only more or
    /// less than the other, such as an epoch or a `v`, is the same.
    fn note_other_version(&mut self, purl: &PackageUrl, stated: Option<&str>, place: &Place) {
        let (Some(own), Some(stated)) = (purl.version(), stated) else {
            return;
        };
        // The version of a repository's URL is a commit or a tag.
        let is_named = purl.ty() != "github" && is_of_registry_or_distribution(purl);
        if is_named && !says_the_same(own, stated) {
            let text = format!(
                "its version is {stated:?}, and that of its package URL {own:?}; the latter was used"
            );
            self.note(place, text);
        }
    }

    /// Adds a component that is `null` in the document.
    pub(super) fn add_null(&mut self, place: &Place) {
        self.add_unread("it is null", place);
    }

    /// Adds a component that cannot be read, and notes why.
    pub(super) fn add_unread(&mut self, why: &str, place: &Place) {
        self.note(place, format!("{why}; it is counted as unknown"));
        self.add(Found {
            name: UNNAMED,
            version: "",
            purls: Vec::new(),
            cpes: Vec::new(),
            kind: ComponentKind::Package,
            place,
        });
    }

    /// Returns a component's CPE names, if they are needed: no package URL of it can be looked up. Those that cannot be
    /// read are noted.
    fn cpes(&mut self, found: &Found<'_>) -> Option<Box<[Box<str>]>> {
        if found.cpes.is_empty() || found.purls.iter().any(is_of_registry_or_distribution) {
            return None;
        }
        let mut kept: Vec<Box<str>> = Vec::new();
        for text in found
            .cpes
            .iter()
            .map(|text| text.trim())
            .filter(|text| !text.is_empty())
        {
            match Cpe::parse(text) {
                Ok(_) if kept.iter().any(|other| **other == *text) => {}
                Ok(_) if kept.len() < MAX_CPES => kept.push(text.into()),
                Ok(_) => {
                    let note = format!("it has more than {MAX_CPES} CPE names; the others were skipped");
                    self.note(found.place, note);
                    break;
                }
                Err(error) => self.note(found.place, format!("{error}; the name was skipped")),
            }
        }
        (!kept.is_empty()).then(|| kept.into())
    }

    /// Adds a lockfile's package, by the parts of its URL.
    pub(super) fn add_package(&mut self, ty: &str, name: &str, version: &str, place: &Place) {
        let (namespace, short) = match (ty, name.rsplit_once(if ty == "maven" { ':' } else { '/' })) {
            (_, Some((namespace, short))) => (Some(namespace), short),
            (_, None) => (None, name),
        };
        let parts = PurlParts {
            ty,
            namespace,
            name: short,
            version: Some(version.trim()),
            ..PurlParts::default()
        };
        let purls = match PackageUrl::build(&parts) {
            Ok(purl) => vec![purl],
            Err(error) => {
                self.note(place, format!("{error}; the package is counted as unknown"));
                Vec::new()
            }
        };
        let found = Found {
            name,
            version,
            purls,
            cpes: Vec::new(),
            kind: ComponentKind::Package,
            place,
        };
        self.add_with(found, (ty == "golang").then(Origin::of_go_module));
    }

    /// Adds a package from a path, a folder or the project itself: no registry's advisory can be about it, whatever its
    /// name is.
    pub(super) fn add_local(&mut self, name: &str, version: &str, place: &Place) {
        self.add(Found {
            name,
            version,
            purls: Vec::new(),
            cpes: Vec::new(),
            kind: ComponentKind::Other,
            place,
        });
    }

    /// Adds a foreign package from a repository, an archive or an unread document: it is not a registry's release, so
    /// nothing is known about it.
    pub(super) fn add_foreign(&mut self, name: &str, version: &str, place: &Place) {
        self.add(Found {
            name,
            version,
            purls: Vec::new(),
            cpes: Vec::new(),
            kind: ComponentKind::Package,
            place,
        });
    }

    /// Sets the operating system on which the components were found; if there are several, none applies. Names are
    /// os-release ids (`rhel`) or their long forms (`Red Hat Enterprise Linux`).
    pub(super) fn operating_system(&mut self, name: &str, version: &str) {
        let lower = name.trim().to_ascii_lowercase();
        let id = match lower.as_str() {
            "almalinux os" | "alma linux" => "almalinux",
            "alpine linux" => "alpine",
            "amazon linux" | "amazon linux ami" | "amazon linux 2" | "amazon linux 2023" => "amzn",
            "centos linux" | "centos stream" => "centos",
            "common base linux mariner" => "mariner",
            "debian gnu/linux" => "debian",
            "fedora linux" => "fedora",
            "microsoft azure linux" | "azure linux" => "azurelinux",
            "opensuse leap" => "opensuse-leap",
            "opensuse leap micro" => "opensuse-leap-micro",
            "opensuse microos" => "opensuse-microos",
            "opensuse tumbleweed" => "opensuse-tumbleweed",
            "oracle linux" | "oracle linux server" => "ol",
            "red hat enterprise linux" => "rhel",
            "rocky linux" => "rocky",
            "suse linux enterprise server" => "sles",
            "suse linux enterprise server for sap applications" => "sles_sap",
            "suse linux enterprise desktop" => "sled",
            "suse linux enterprise micro" | "sle micro" => "sle-micro",
            "suse linux micro" | "sl micro" => "sl-micro",
            "vmware photon os" | "photon os" => "photon",
            other => other,
        };
        if !id.is_empty() && !id.contains(' ') && !version.trim().is_empty() {
            self.take_distro(format!("{id}-{}", version.trim()));
        }
    }

    /// Sets a distribution. One that is repeated with more or less of its version is the same; the one with most is kept, so
    /// that their order does not matter.
    fn take_distro(&mut self, distro: String) {
        match &self.distro {
            None => self.distro = Some(distro),
            Some(known) => {
                let is_less = |less: &str, more: &str| {
                    more.strip_prefix(less)
                        .is_some_and(|rest| rest.is_empty() || rest.starts_with(['.', '-']))
                };
                if is_less(known, &distro) {
                    self.distro = Some(distro);
                } else if !is_less(&distro, known) {
                    self.has_several_distros = true;
                }
            }
        }
    }

    /// Adds the collected data of the following part of the document.
    pub(super) fn append(&mut self, next: Self) {
        let room = MAX_COMPONENTS.saturating_sub(self.components.len());
        self.overflow += next.overflow + next.components.len().saturating_sub(room);
        self.components.append(next.components);
        self.components.truncate(MAX_COMPONENTS);
        let room = MAX_NOTES.saturating_sub(self.notes.len());
        self.unnoted += next.unnoted + next.notes.len().saturating_sub(room);
        self.notes.extend(next.notes.into_iter().take(room));
        self.has_several_distros |= next.has_several_distros;
        if let Some(distro) = next.distro {
            self.take_distro(distro);
        }
    }

    pub(super) fn finish(
        self,
        format: Format,
        spec_version: &str,
        subject: &str,
    ) -> Result<Inventory, SbomError> {
        if self.overflow > 0 {
            let found = self.components.len() + self.overflow;
            return Err(SbomError::TooLarge {
                what: "components",
                found,
                limit: MAX_COMPONENTS,
            });
        }
        if self.unnoted > 0 {
            return Err(SbomError::TooLarge {
                what: "parts that cannot be taken",
                found: self.notes.len() + self.unnoted,
                limit: MAX_NOTES,
            });
        }
        Ok(Inventory {
            format,
            spec_version: spec_version.trim().to_owned(),
            subject: Some(subject.trim().to_owned()).filter(|s| !s.is_empty()),
            distro: self.distro.filter(|_| !self.has_several_distros),
            describes_several: self.describes_several,
            components: self.components,
            notes: self.notes,
        })
    }
}

/// Returns each package URL once, at its first place.
fn distinct(purls: Vec<PackageUrl>) -> Vec<PackageUrl> {
    if purls.len() < 2 {
        return purls;
    }
    let mut seen = BTreeSet::new();
    let is_new: Vec<bool> = purls.iter().map(|purl| seen.insert(purl)).collect();
    let found = purls.into_iter().zip(is_new);
    found
        .filter_map(|(purl, is_new)| is_new.then_some(purl))
        .collect()
}

/// Returns true if a text is a file system path and not a registry's address: `file:../x`, `./x`, `C:\\\\x`.
pub(super) fn is_path(text: &str) -> bool {
    let text = text.trim();
    let lower = text.get(..12).unwrap_or(text).to_ascii_lowercase();
    let drive = matches!(text.as_bytes(), [letter, b':', b'\\' | b'/', ..] if letter.is_ascii_alphabetic());
    [
        "file:",
        "link:",
        "portal:",
        "workspace:",
        "path:",
        "path+file:",
        "./",
        "../",
        "/",
        "~/",
        ".\\",
        "..\\",
    ]
    .iter()
    .any(|start| lower.starts_with(start))
        || matches!(text, "." | "..")
        || drive
}

pub(super) fn present_version(text: &str) -> Option<&str> {
    let text = text.trim();
    (!text.is_empty() && text != "NOASSERTION" && text != "NONE").then_some(text)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_are_distinguished_from_addresses() {
        for path in [
            "file:../x",
            "file:///x",
            "./x",
            "../x",
            "/x",
            "~/x",
            "C:\\x",
            "c:/x",
            "link:x",
            "workspace:*",
            ".",
        ] {
            assert!(is_path(path), "{path}");
        }
        for other in [
            "https://x/y",
            "git@host:x",
            "^1.0",
            "npm:x@1",
            "1.0.0",
            "",
            "x/y",
            "github:a/b",
        ] {
            assert!(!is_path(other), "{other}");
        }
    }

    #[test]
    fn several_operating_systems_set_no_distribution() {
        let of = |systems: &[(&str, &str)]| {
            let mut collector = Collector::default();
            for (name, version) in systems {
                let mut part = Collector::default();
                part.operating_system(name, version);
                collector.append(part);
            }
            collector.finish(Format::Pom, "", "").unwrap().distro
        };
        assert_eq!(
            of(&[("debian", "12"), ("Debian GNU/Linux", "12.5")]).as_deref(),
            Some("debian-12.5")
        );
        for systems in [
            ["12", "12.5", "12.6"],
            ["12.5", "12", "12.6"],
            ["12.6", "12.5", "12"],
        ] {
            assert_eq!(
                of(&systems.map(|version| ("debian", version))),
                None,
                "{systems:?}"
            );
        }
        assert_eq!(of(&[("debian", "11"), ("debian", "12")]), None);
        assert_eq!(of(&[("debian", "12"), ("alpine", "3.18")]), None);
    }

    #[test]
    fn number_of_notes_is_limited() {
        let with = |count: usize| {
            let mut collector = Collector::default();
            let place = Place::line(1);
            (0..count).for_each(|_| collector.note(&place, ""));
            collector
        };
        let both = |first, second| {
            let mut collector = with(first);
            collector.append(with(second));
            collector.finish(Format::Pom, "", "")
        };
        assert_eq!(both(1, MAX_NOTES - 1).unwrap().notes.len(), MAX_NOTES);
        let refused = SbomError::TooLarge {
            what: "parts that cannot be taken",
            found: MAX_NOTES + 2,
            limit: MAX_NOTES,
        };
        assert_eq!(both(1, MAX_NOTES + 1), Err(refused.clone()));
        assert_eq!(both(MAX_NOTES + 2, 0), Err(refused));
    }
}
