//! Remembers package versions without findings, so that the next scan with the same knowledge skips them.
//!
//! Builds of one organisation share most of their components, and nearly all of these are unaffected. A package
//! version without findings is remembered with its standing; findings are never remembered, but computed again each
//! time. A memo belongs to knowledge that does not change, and is dropped with it.

use std::sync::{Mutex, PoisonError};

use crate::origin::Vendor;
use crate::purl::PackageUrl;
use crate::sbom::Component;
use crate::scan::{DoubtCause, Standing};

/// Identifies everything on which a component's result depends: a hash without practical collisions.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct MemoKey([u8; 32]);

impl MemoKey {
    /// Creates the key of a package version on a distribution, in a document that does or does not name the sources
    /// of the distribution's packages. `space` is a reusable buffer.
    pub(crate) fn of(
        component: &Component,
        purl: &PackageUrl,
        distro: Option<&str>,
        sources_named: bool,
        space: &mut Vec<u8>,
    ) -> Self {
        let origin = component.origin.as_deref();
        space.clear();
        let mut put = |text: Option<&str>| {
            // Missing and empty values differ, and so do values split at another place.
            let length = text.map_or(u64::MAX, |text| text.len() as u64);
            space.extend_from_slice(&length.to_le_bytes());
            space.extend_from_slice(text.unwrap_or_default().as_bytes());
        };
        for text in [
            Some(purl.ty()),
            purl.namespace(),
            Some(purl.name()),
            purl.version(),
            purl.subpath(),
            component.version.as_deref(),
            distro,
            origin.and_then(|origin| origin.source.as_deref()),
            origin.and_then(|origin| origin.source_version.as_deref()),
            origin.and_then(|origin| origin.source_file.as_deref()),
            origin.and_then(|origin| origin.module.as_deref()),
            sources_named.then_some(""),
            origin.and_then(|origin| origin.vendor).map(Vendor::as_str),
            origin.filter(|origin| origin.is_go_module).map(|_| ""),
        ] {
            put(text);
        }
        for (key, value) in purl.qualifiers() {
            put(Some(key));
            put(Some(value));
        }
        Self(*blake3::hash(space).as_bytes())
    }

    /// Returns its slot in a memo of this size.
    fn slot(&self, slots: usize) -> usize {
        let [a, b, c, d, ..] = self.0;
        let number = usize::try_from(u32::from_le_bytes([a, b, c, d])).unwrap_or_default();
        number.checked_rem(slots).unwrap_or_default()
    }
}

/// Remembers the standing of components without findings.
///
/// Each key has one slot, which the last writer takes: memory stays constant, about 64 bytes per slot. Several scans
/// may use it at the same time.
#[derive(Debug)]
pub struct Memo {
    slots: Box<[Mutex<Slot>]>,
}

/// The last entry of a slot.
type Slot = Option<(MemoKey, Remembered)>;

/// A component's standing, the ecosystems in which it was looked up, and why it is undecided.
pub(crate) type Remembered = (Standing, [Option<&'static str>; 2], Option<DoubtCause>);

impl Memo {
    /// Creates a memo of so many places.
    pub fn with_slots(slots: usize) -> Self {
        Self {
            slots: std::iter::repeat_with(Mutex::default).take(slots).collect(),
        }
    }

    /// Returns the component's standing, if remembered.
    pub(crate) fn get(&self, key: &MemoKey) -> Option<Remembered> {
        let slot = self.slots.get(key.slot(self.slots.len()))?;
        let slot = slot.lock().unwrap_or_else(PoisonError::into_inner);
        slot.filter(|(held, _)| held == key)
            .map(|(_, remembered)| remembered)
    }

    /// Remembers the standing of a component without findings.
    pub(crate) fn put(&self, key: MemoKey, remembered: Remembered) {
        if let Some(slot) = self.slots.get(key.slot(self.slots.len())) {
            *slot.lock().unwrap_or_else(PoisonError::into_inner) = Some((key, remembered));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::origin::Origin;
    use crate::sbom::{ComponentKind, Place};

    fn component(version: Option<&str>, source: Option<&str>, module: Option<&str>) -> Component {
        Component {
            name: "a".into(),
            version: version.map(str::to_owned),
            purl: None,
            cpes: None,
            origin: Some(Box::new(Origin {
                source: source.map(str::to_owned),
                module: module.map(str::to_owned),
                ..Origin::default()
            })),
            kind: ComponentKind::Package,
            place: Place::Line { line: 1, column: 1 },
        }
    }

    fn key_of(component: &Component, purl: &str, distro: Option<&str>, named: bool) -> MemoKey {
        let purl = PackageUrl::parse(purl).unwrap();
        MemoKey::of(component, &purl, distro, named, &mut Vec::new())
    }

    fn key(purl: &str, version: Option<&str>, distro: Option<&str>) -> MemoKey {
        key_of(&component(version, None, None), purl, distro, false)
    }

    #[test]
    fn key_covers_everything_the_result_depends_on() {
        let mut of_go = component(Some("1"), None, None);
        of_go.origin.get_or_insert_default().is_go_module = true;
        let keys = [
            key_of(&of_go, "pkg:npm/a@1", None, false),
            key("pkg:npm/a@1", Some("1"), None),
            key("pkg:npm/a@1", Some("2"), None),
            key("pkg:npm/a@1", None, None),
            key("pkg:npm/a@1", None, Some("1")),
            key("pkg:npm/a@1", Some(""), None),
            key("pkg:npm/a@1", Some("1"), Some("debian-12")),
            key("pkg:npm/a", Some("1"), None),
            key("pkg:npm/a@1#b", Some("1"), None),
            key("pkg:npm/a@1?b=c", Some("1"), None),
            key("pkg:npm/a@1?b=cd", Some("1"), None),
            key("pkg:npm/a@1?bc=d", Some("1"), None),
            key("pkg:npm/%40b/a@1", Some("1"), None),
            key("pkg:pypi/a@1", Some("1"), None),
            key_of(&component(Some("1"), Some("b"), None), "pkg:npm/a@1", None, false),
            key_of(&component(Some("1"), None, Some("b")), "pkg:npm/a@1", None, false),
            key_of(&component(Some("1"), None, None), "pkg:npm/a@1", None, true),
        ];
        for (index, one) in keys.iter().enumerate() {
            for (other, two) in keys.iter().enumerate() {
                assert_eq!(one == two, index == other, "{index} and {other}");
            }
        }
    }

    #[test]
    fn slot_holds_the_last_entry_only() {
        let memo = Memo::with_slots(1);
        let (one, two) = (
            key("pkg:npm/a@1", Some("1"), None),
            key("pkg:npm/a@2", Some("2"), None),
        );
        assert_eq!(memo.get(&one), None);
        let (matched, unversioned) = (
            (Standing::Matched, [Some("npm"), None], None),
            (Standing::Unversioned, [None; 2], None),
        );
        memo.put(one, matched);
        assert_eq!((memo.get(&one), memo.get(&two)), (Some(matched), None));
        memo.put(two, unversioned);
        assert_eq!((memo.get(&one), memo.get(&two)), (None, Some(unversioned)));
        let none = Memo::with_slots(0);
        none.put(one, matched);
        assert_eq!(none.get(&one), None);
    }
}
