//! What all readers do with a component once they have found it.

use std::collections::BTreeSet;

use super::{Component, ComponentKind, Format, Inventory, MAX_COMPONENTS, Note, Place, SbomError};
use crate::origin::Origin;
use crate::purl::{PackageUrl, PurlParts, osv::version_from};

/// Most components that room is made for before they are read: 4 MB.
const MAX_RESERVED: usize = 16 * 1024;

/// Most notes that are held of one document: more components than that it may not have.
const MAX_NOTES: usize = MAX_COMPONENTS;

/// Gathers components and notes in document order.
#[derive(Debug, Default)]
pub(super) struct Collector {
    components: Vec<Component>,
    notes: Vec<Note>,
    distro: Option<String>,
    /// Several operating systems are named: none of them is that of a package that does not say which is its own.
    has_several_distros: bool,
    pub(super) describes_several: bool,
    overflow: usize,
    unnoted: usize,
}

/// A component as a reader found it; texts may be empty.
#[derive(Debug)]
pub(super) struct Found<'a> {
    pub(super) name: &'a str,
    pub(super) version: &'a str,
    pub(super) purls: Vec<PackageUrl>,
    pub(super) kind: ComponentKind,
    pub(super) place: &'a Place,
}

impl Collector {
    /// Makes room for so many more components at once, within what a document that only seems to have them may cost.
    pub(super) fn reserve(&mut self, components: usize) {
        self.components.reserve(components.min(MAX_RESERVED));
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

    /// Reads a package URL; an empty one is none, one that cannot be read is noted.
    pub(super) fn purl(&mut self, text: &str, place: &Place) -> Option<PackageUrl> {
        let text = text.trim();
        if text.is_empty() {
            return None;
        }
        match PackageUrl::parse_lenient(text) {
            Ok(purl) => Some(purl),
            Err(error) => {
                self.note(place, format!("{error}; the component is counted as unknown"));
                None
            }
        }
    }

    /// Takes a component. One with several package URLs is as many components: each names something
    /// that can be judged; one that is stated again is none. One with neither name nor URL is noted.
    pub(super) fn add(&mut self, found: Found<'_>) {
        self.add_with(found, None);
    }

    /// Takes a component, with what the document says of its making.
    pub(super) fn add_with(&mut self, found: Found<'_>, mut origin: Option<Box<Origin>>) {
        let (name, stated) = (found.name.trim(), present_version(found.version));
        if found.purls.is_empty() && name.is_empty() {
            self.note(found.place, "it has neither name nor package URL and was skipped");
            return;
        }
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
                Some(purl) => version_from(purl, origin.as_deref(), stated),
                None => stated.map(str::to_owned),
            };
            let place = found.place.clone();
            let origin = match purls.peek() {
                Some(_) => origin.clone(),
                None => origin.take(),
            };
            self.components.push(Component {
                name,
                version,
                purl,
                origin,
                kind: found.kind,
                place,
            });
        }
    }

    /// Takes a package that a lockfile names, by its URL's parts.
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
        self.add(Found {
            name,
            version,
            purls,
            kind: ComponentKind::Package,
            place,
        });
    }

    /// Takes a package that comes from a path, a folder or the project itself: no registry's advisory can mean it,
    /// whatever it is called.
    pub(super) fn add_local(&mut self, name: &str, version: &str, place: &Place) {
        self.add(Found {
            name,
            version,
            purls: Vec::new(),
            kind: ComponentKind::Other,
            place,
        });
    }

    /// Takes a package of somebody else's that comes from a repository, an archive or a document that was not read: no
    /// release of a registry, so nothing can be said of it.
    pub(super) fn add_foreign(&mut self, name: &str, version: &str, place: &Place) {
        self.add(Found {
            name,
            version,
            purls: Vec::new(),
            kind: ComponentKind::Package,
            place,
        });
    }

    /// Takes the operating system that the components were found on; of several none counts. Names are
    /// os-release ids (`rhel`) or their long forms (`Red Hat Enterprise Linux`).
    pub(super) fn operating_system(&mut self, name: &str, version: &str) {
        let lower = name.trim().to_ascii_lowercase();
        let id = match lower.as_str() {
            "alpine linux" => "alpine",
            "centos linux" | "centos stream" => "centos",
            "common base linux mariner" => "mariner",
            "debian gnu/linux" => "debian",
            "microsoft azure linux" => "azurelinux",
            "opensuse leap" => "opensuse-leap",
            "opensuse tumbleweed" => "opensuse-tumbleweed",
            "red hat enterprise linux" => "rhel",
            "rocky linux" => "rocky",
            "suse linux enterprise server" => "sles",
            "vmware photon os" | "photon os" => "photon",
            other => other,
        };
        if !id.is_empty() && !id.contains(' ') && !version.trim().is_empty() {
            self.take_distro(format!("{id}-{}", version.trim()));
        }
    }

    /// Takes a distribution. One that is named again, with more or less of its version, is the same.
    fn take_distro(&mut self, distro: String) {
        match &self.distro {
            None => self.distro = Some(distro),
            Some(known) => {
                let is_less = |less: &str, more: &str| {
                    more.strip_prefix(less)
                        .is_some_and(|rest| rest.is_empty() || rest.starts_with(['.', '-']))
                };
                let is_same = is_less(known, &distro) || is_less(&distro, known);
                self.has_several_distros |= !is_same;
            }
        }
    }

    /// Takes in what was gathered from the part of the document that follows.
    pub(super) fn append(&mut self, next: Self) {
        let room = MAX_COMPONENTS.saturating_sub(self.components.len());
        self.overflow += next.overflow + next.components.len().saturating_sub(room);
        self.components.extend(next.components.into_iter().take(room));
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

/// Each package URL once, where it comes first.
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

/// True if a text names a path of the file system and no address of a registry: `file:../x`, `./x`, `C:\\x`.
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
    fn paths_are_told_from_addresses() {
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
    fn of_several_operating_systems_none_counts() {
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
            Some("debian-12")
        );
        assert_eq!(of(&[("debian", "11"), ("debian", "12")]), None);
        assert_eq!(of(&[("debian", "12"), ("alpine", "3.18")]), None);
    }

    #[test]
    fn notes_are_bounded_whoever_took_them() {
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
