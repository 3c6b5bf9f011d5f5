//! CycloneDX 1.0 to 1.7: components at any depth, and the operating system on which they were found.
//!
//! Only the data for an inventory is read, and if the document calls itself incomplete. Services, dependencies,
//! formulation and embedded vulnerabilities are ignored, and pedigrees, except that a component that is made from a package of
//! another name is noted. Bom-refs may be missing, repeated or dangling: components are identified by their
//! place in the document, not by refs.

mod compositions;
mod protobuf;
mod protobuf_json;
mod split;
mod strict;
mod xml;

use std::borrow::Cow;

use serde::Deserialize;
use serde::de::{Deserializer, Error as _, SeqAccess, Visitor};

use super::collect::{Collector, Found};
use super::place::read_json as read_json_value;
use super::{ComponentKind, Format, Inventory, Place, SbomError};
use crate::lenient::{AnyText, TextRef, VersionRef, or_default};
use crate::origin::{OriginParts, Properties, StatedOrganisation, StatedVendor, Vendor, with_vendor};
use crate::purl::PackageUrl;

pub(super) use protobuf::{is_meant as is_protobuf, read_protobuf};
pub(super) use protobuf_json::is_meant as is_protobuf_json;
pub(super) use xml::read_xml;

use compositions::Incomplete;
use split::{Part, Split};
use strict::{Dependency, Each, Hash, Licenses, Pedigree, Reference, Scope, Service, Swid, Timestamp};

/// Newest minor version of CycloneDX 1 for which this reader was written.
const NEWEST_MINOR: u32 = 7;

/// A component with two conflicting version statements.
const BOTH_VERSIONS: &str = "the component has a version and a range of versions, and only one may be given";

#[derive(Deserialize)]
struct Bom<'a> {
    #[serde(borrow, rename = "bomFormat", default, deserialize_with = "or_default")]
    bom_format: TextRef<'a>,
    #[serde(borrow, rename = "specVersion", default, deserialize_with = "or_default")]
    spec_version: TextRef<'a>,
    #[serde(borrow, default, deserialize_with = "or_default")]
    metadata: Metadata<'a>,
    #[serde(borrow, default, deserialize_with = "or_default")]
    components: Entries<'a>,
    #[serde(borrow, default, rename = "serialNumber", deserialize_with = "or_default")]
    serial_number: AnyText<'a>,
    #[serde(default)]
    compositions: Incomplete,
    #[serde(default, rename = "dependencies")]
    _dependencies: Each<Dependency>,
    #[serde(default, rename = "services")]
    _services: Each<Service>,
}

#[derive(Deserialize, Default)]
struct Metadata<'a> {
    #[serde(borrow, default)]
    component: Option<RawComponent<'a>>,
    #[serde(default, rename = "timestamp")]
    _timestamp: Option<Timestamp>,
    #[serde(default)]
    licenses: Licenses,
}

#[derive(Deserialize)]
struct RawComponent<'a> {
    #[serde(borrow, rename = "type", default, deserialize_with = "or_default")]
    kind: TextRef<'a>,
    #[serde(borrow, default, deserialize_with = "or_default")]
    group: TextRef<'a>,
    #[serde(borrow, default, deserialize_with = "or_default")]
    name: TextRef<'a>,
    #[serde(borrow, default, deserialize_with = "or_default")]
    version: VersionRef<'a>,
    #[serde(borrow, default, deserialize_with = "or_default")]
    purl: TextRef<'a>,
    #[serde(borrow, default, deserialize_with = "or_default")]
    cpe: AnyText<'a>,
    #[serde(borrow, default, deserialize_with = "or_default")]
    components: Entries<'a>,
    #[serde(default)]
    properties: Properties,
    #[serde(default)]
    publisher: StatedVendor,
    #[serde(default)]
    supplier: StatedOrganisation,
    #[serde(default, rename = "versionRange")]
    version_range: Option<strict::Name>,
    #[serde(default, rename = "isExternal")]
    is_external: Option<bool>,
    #[serde(default, rename = "bom-ref")]
    _bom_ref: Option<Reference>,
    #[serde(default, rename = "scope")]
    _scope: Option<Scope>,
    #[serde(default, rename = "hashes")]
    _hashes: Each<Hash>,
    #[serde(default)]
    licenses: Licenses,
    #[serde(default, rename = "swid")]
    _swid: Option<Swid>,
    #[serde(default)]
    pedigree: Option<Pedigree>,
}

/// A list of components up to the first invalid one. That one is reported; later ones are parsed but not kept.
/// Otherwise a document with many invalid entries of three bytes each would fill the memory before the first one is
/// examined.
#[derive(Default)]
struct Entries<'a> {
    list: Vec<Option<Box<RawComponent<'a>>>>,
    is_faulty: bool,
}

impl<'de> Deserialize<'de> for Entries<'de> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct EntriesVisitor;
        impl<'de> Visitor<'de> for EntriesVisitor {
            type Value = Entries<'de>;

            fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.write_str("a sequence")
            }

            fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> Result<Self::Value, A::Error> {
                let mut entries = Entries::default();
                while let Some(entry) = list.next_element::<Option<RawComponent<'de>>>()? {
                    if entries.is_faulty {
                        continue;
                    }
                    entries.is_faulty = entry
                        .as_ref()
                        .is_some_and(|raw| raw.components.is_faulty || fault_of(raw, false).is_some());
                    entries.list.push(entry.map(Box::new));
                }
                Ok(entries)
            }
        }
        deserializer.deserialize_seq(EntriesVisitor)
    }
}

/// Number of components from which a part of the list is worth its own thread.
const COMPONENTS_PER_WORKER: usize = 500;

/// Reads a document, a long one in several parts at the same time; the result is the same for any number.
pub(super) fn read_json(bytes: &[u8], workers: usize) -> Result<Inventory, SbomError> {
    // For an invalid document, reading it as a whole gives the first error.
    let split = std::str::from_utf8(bytes)
        .ok()
        .and_then(|text| split::split(text, workers, COMPONENTS_PER_WORKER));
    match split.and_then(|split| read_parts(&split)) {
        Some(inventory) => inventory,
        None => read_whole(bytes),
    }
}

fn read_whole(bytes: &[u8]) -> Result<Inventory, SbomError> {
    let bom: Bom<'_> = read_json_value(bytes).map_err(invalid)?;
    let mut collector = Collector::default();
    let subject = take_head(&bom, &mut collector).map_err(invalid)?;
    take_list(
        &bom.components,
        &Place::root().child("components"),
        &mut collector,
    )
    .map_err(invalid)?;
    collector.finish(Format::CycloneDxJson, &bom.spec_version.0, &subject)
}

fn invalid((place, reason): Fault) -> SbomError {
    SbomError::Invalid {
        format: Format::CycloneDxJson,
        place,
        reason,
    }
}

/// Reads a document in parts; `None` if any part is not valid.
fn read_parts(document: &Split<'_>) -> Option<Result<Inventory, SbomError>> {
    let entry = Place::root().child("components").entries();
    let entry: &(dyn Fn(usize) -> Place + Sync) = &entry;
    let take = |part: &Part<'_>| {
        let text = part.list();
        let mut taker = PartTaker {
            next: part.first,
            entry,
            collector: Collector::default(),
        };
        taker.collector.expect(part.count);
        taker.take(&text).ok()?;
        // An extra comma would be a missing component.
        (taker.next == part.first + part.count).then_some(taker.collector)
    };
    std::thread::scope(|threads| {
        let started: Vec<_> = document
            .parts
            .iter()
            .map(|part| std::thread::Builder::new().spawn_scoped(threads, move || take(part)))
            .collect();
        let bom: Bom<'_> = serde_json::from_str(&document.around).ok()?;
        let mut collector = Collector::default();
        let subject = take_head(&bom, &mut collector).ok()?;
        for thread in started {
            // A thread that could not start or failed leaves the whole document to the single reader.
            collector.append(thread.ok()?.join().ok()??);
        }
        Some(collector.finish(Format::CycloneDxJson, &bom.spec_version.0, &subject))
    })
}

/// Adds components while they are parsed: a complete list of all their fields needs many times the memory of the
/// result.
struct PartTaker<'e> {
    next: usize,
    entry: &'e (dyn Fn(usize) -> Place + Sync),
    collector: Collector,
}

impl PartTaker<'_> {
    fn take(&mut self, list: &str) -> Result<(), serde_json::Error> {
        let mut reader = serde_json::Deserializer::from_str(list);
        reader.deserialize_seq(&mut *self)?;
        reader.end()
    }
}

impl<'de> Visitor<'de> for &mut PartTaker<'_> {
    type Value = ();

    fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("a list of components")
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> Result<(), A::Error> {
        while let Some(component) = list.next_element::<Option<RawComponent<'de>>>()? {
            // The reader of the whole document reports the error and its place.
            take_entry(component.as_ref(), &(self.entry)(self.next), &mut self.collector)
                .map_err(|(_, reason)| A::Error::custom(reason))?;
            self.next += 1;
        }
        Ok(())
    }
}

/// Checks and adds the data beside the components; returns the name of the document's subject.
fn take_head(bom: &Bom<'_>, collector: &mut Collector) -> Result<String, Fault> {
    if bom.bom_format.0 != "CycloneDX" {
        let reason = format!("bomFormat is {:?}, not \"CycloneDX\"", bom.bom_format.0);
        return Err((Place::root().child("bomFormat"), reason));
    }
    let place = Place::root().child("specVersion");
    check_version(&bom.spec_version.0, &place, collector).map_err(|reason| (place, reason))?;
    let serial = bom.serial_number.0.trim();
    if let (false, Err(reason)) = (serial.is_empty(), strict::serial_number(serial)) {
        collector.note(
            &Place::root().child("serialNumber"),
            reason + "; it was passed over",
        );
    }
    note_licenses(
        &bom.metadata.licenses,
        &Place::root().child("metadata"),
        collector,
    );
    bom.compositions
        .note(&Place::root().child("compositions"), collector);
    let Some(component) = &bom.metadata.component else {
        return Ok(String::new());
    };
    let place = Place::root().child("metadata").child("component");
    take(component, &place, true, collector)?;
    Ok(component.name.0.clone().into_owned())
}

/// Notes the problem of a list of licences.
fn note_licenses(licenses: &Licenses, of: &Place, collector: &mut Collector) {
    if let Some(fault) = licenses.fault {
        collector.note(
            &of.child("licenses"),
            format!("{fault}; the licences were passed over"),
        );
    }
}

/// Accepts every minor version of CycloneDX 1; notes one that is newer than this reader.
fn check_version(text: &str, place: &Place, collector: &mut Collector) -> Result<(), String> {
    let minor: u32 = text
        .strip_prefix("1.")
        .and_then(|minor| minor.parse().ok())
        .ok_or_else(|| format!("{text:?} is not a version of CycloneDX 1"))?;
    if minor > NEWEST_MINOR {
        let note = "the document is newer than this reader (CycloneDX 1.7); unknown parts are ignored";
        collector.note(place, note);
    }
    Ok(())
}

fn take_list(entries: &Entries<'_>, place: &Place, collector: &mut Collector) -> Result<(), Fault> {
    let entry = place.entries();
    for (index, component) in entries.list.iter().enumerate() {
        take_entry(component.as_deref(), &entry(index), collector)?;
    }
    Ok(())
}

/// Adds an entry of a list.
fn take_entry(
    component: Option<&RawComponent<'_>>,
    place: &Place,
    collector: &mut Collector,
) -> Result<(), Fault> {
    match component {
        Some(component) => take(component, place, false, collector),
        None => {
            collector.add_null(place);
            Ok(())
        }
    }
}

/// The place and kind of a component's violation of the format.
type Fault = (Place, String);

/// A component's own fields, in either syntax; texts may be empty.
struct Parts<'a> {
    kind: &'a str,
    group: &'a str,
    name: &'a str,
    version: &'a str,
    purl: &'a str,
    cpe: &'a str,
    origin: Option<&'a OriginParts>,
    publisher: Option<Vendor>,
    supplier: Option<Vendor>,
    /// The package URL of what it is made from.
    ancestor: Option<&'a str>,
}

/// Returns the invalid field of a component and its problem, if any.
fn fault_of(raw: &RawComponent<'_>, is_subject: bool) -> Option<(&'static str, String)> {
    if let Err(reason) = strict::component_type(&raw.kind.0) {
        return Some(("type", reason));
    }
    // The document's subject may lack a name: tools write it for a project without one.
    if !is_subject && raw.name.0.is_empty() && raw.purl.0.is_empty() {
        return Some(("name", "the component has no name".to_owned()));
    }
    let reason = if raw.version_range.is_none() {
        return None;
    } else if !raw.version.0.is_empty() {
        BOTH_VERSIONS
    } else if raw.is_external != Some(true) {
        "only a component that is external has a range of versions"
    } else {
        return None;
    };
    Some(("versionRange", reason.to_owned()))
}

/// Adds a component and its nested components. The JSON reader limits the depth.
fn take(
    raw: &RawComponent<'_>,
    place: &Place,
    is_subject: bool,
    collector: &mut Collector,
) -> Result<(), Fault> {
    if let Some((field, reason)) = fault_of(raw, is_subject) {
        return Err((place.child(field), reason));
    }
    let kind = if is_subject {
        ComponentKind::Subject
    } else {
        kind_of(&raw.kind.0)
    };
    let parts = Parts {
        kind: &raw.kind.0,
        group: &raw.group.0,
        name: &raw.name.0,
        version: &raw.version.0,
        purl: &raw.purl.0,
        cpe: &raw.cpe.0,
        origin: raw.properties.0.as_deref(),
        publisher: raw.publisher.0,
        supplier: raw.supplier.0,
        ancestor: raw.pedigree.as_ref().and_then(Pedigree::ancestor),
    };
    note_licenses(&raw.licenses, place, collector);
    add(&parts, kind, place, collector);
    if raw.components.list.is_empty() {
        return Ok(());
    }
    take_list(&raw.components, &place.child("components"), collector)
}

fn add(raw: &Parts<'_>, kind: ComponentKind, place: &Place, collector: &mut Collector) {
    if raw.kind == "operating-system" {
        collector.operating_system(raw.name, raw.version);
    }
    let (group, name) = (raw.group.trim(), raw.name.trim());
    let joined = if group.is_empty() || name.is_empty() {
        Cow::Borrowed(name)
    } else {
        Cow::Owned(format!("{group}/{name}"))
    };
    let purl = collector.purl(raw.purl, place);
    if let Some(ancestor) = raw
        .ancestor
        .filter(|ancestor| is_another(ancestor, purl.as_ref()))
    {
        let text = format!("it is made from {ancestor}, whose advisories were not looked up");
        collector.note(place, text);
    }
    let purls = purl.into_iter().collect();
    let found = Found {
        name: &joined,
        version: raw.version,
        purls,
        cpes: cpes_of(raw.cpe),
        kind,
        place,
    };
    let origin = OriginParts::finish(raw.origin);
    collector.add_with(found, with_vendor(origin, raw.publisher, raw.supplier));
}

/// Returns true if what a component is made from is a package of another name, and nothing else has advisories about the
/// component: distributions have their own about their packages.
fn is_another(ancestor: &str, own: Option<&PackageUrl>) -> bool {
    let Ok(ancestor) = PackageUrl::parse_lenient(ancestor) else {
        return false;
    };
    own.is_none_or(|own| {
        let is_same = own.ty() == ancestor.ty()
            && own.namespace() == ancestor.namespace()
            && own.name() == ancestor.name();
        !is_same && !matches!(own.ty(), "deb" | "rpm" | "apk" | "alpine")
    })
}

/// Returns a component's CPE name as a list.
fn cpes_of(cpe: &str) -> Vec<&str> {
    Some(cpe).filter(|cpe| !cpe.is_empty()).into_iter().collect()
}

fn kind_of(text: &str) -> ComponentKind {
    match text {
        "application" | "framework" | "library" | "platform" | "firmware" | "device-driver" | "" => {
            ComponentKind::Package
        }
        _ => ComponentKind::Other,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_first_faulty_component_is_kept() {
        let kept = |list: &str| {
            let entries: Entries<'_> = serde_json::from_str(list).unwrap();
            (entries.list.len(), entries.is_faulty)
        };
        let good = r#"{"type":"library","name":"a"}"#;
        assert_eq!(kept(&format!("[{good},null,{good}]")), (3, false));
        assert_eq!(kept(&format!("[{good},{{}},{{}},{{}},{good}]")), (2, true));
        let around = r#"{"type":"library","name":"a","components":[{}]}"#;
        assert_eq!(kept(&format!("[{around},{good}]")), (1, true));
    }
}
