//! Identifiers in a CycloneDX document: its serial number, and the references of its components.
//!
//! An inventory does not need them, because places identify components. Suppliers' statements may name a component by
//! the document's serial number and the component's reference (BOM-Link), so they are read for those.

use std::collections::BTreeMap;

use quick_xml::events::Event;
use quick_xml::reader::Reader;
use serde::Deserialize;

use super::limited::Limited;
use super::markup::{find_attribute, resolve};
use super::{Format, MAX_COMPONENTS, MAX_LAYERS, detect, envelope, utf16, without_mark};
use crate::lenient::{AnyText, or_default};

/// The identifiers of a document.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct BomReferences {
    /// Its serial number, as written.
    pub serial: Option<String>,
    /// Its version.
    pub version: Option<String>,
    /// The reference of its subject.
    pub subject: Option<String>,
    /// The package URLs of its components by reference. A reference of several components identifies none of them.
    pub purls: BTreeMap<String, String>,
}

#[derive(Deserialize)]
struct Bom<'a> {
    #[serde(borrow, rename = "serialNumber", default, deserialize_with = "or_default")]
    serial: AnyText<'a>,
    #[serde(borrow, default, deserialize_with = "or_default")]
    version: AnyText<'a>,
    #[serde(borrow, default, deserialize_with = "or_default")]
    metadata: Metadata<'a>,
    #[serde(borrow, default, deserialize_with = "or_default")]
    components: Limited<Option<Entry<'a>>>,
}

#[derive(Deserialize, Default)]
struct Metadata<'a> {
    #[serde(borrow, default)]
    component: Option<Entry<'a>>,
}

#[derive(Deserialize)]
struct Entry<'a> {
    #[serde(
        borrow,
        rename = "bom-ref",
        alias = "bomRef",
        alias = "bom_ref",
        default,
        deserialize_with = "or_default"
    )]
    reference: AnyText<'a>,
    #[serde(borrow, default, deserialize_with = "or_default")]
    purl: AnyText<'a>,
    #[serde(borrow, default, deserialize_with = "or_default")]
    components: Limited<Option<Entry<'a>>>,
}

/// Reads the identifiers of a document; `None` if it is not CycloneDX in JSON or XML.
pub fn references(bytes: &[u8]) -> Option<BomReferences> {
    let decoded = utf16::decode(bytes).ok()?;
    let bytes = decoded.as_deref().map_or(bytes, str::as_bytes);
    of_unwrapped(bytes, MAX_LAYERS)
}

fn of_unwrapped(bytes: &[u8], layers: usize) -> Option<BomReferences> {
    let bytes = without_mark(bytes);
    let text = std::str::from_utf8(bytes).ok()?;
    match detect(bytes) {
        Ok(Format::CycloneDxJson) => of_json(text),
        Ok(Format::CycloneDxXml) => of_xml(text),
        Ok(_) => None,
        Err(_) if layers == 0 => None,
        Err(_) => of_unwrapped(&envelope::open(bytes).ok()??.bytes, layers - 1),
    }
}

/// Collects references; a repeated one identifies nothing.
#[derive(Default)]
struct Gathered {
    found: BomReferences,
    ambiguous: Vec<String>,
}

impl Gathered {
    fn add(&mut self, reference: &str, purl: &str) {
        let (reference, purl) = (reference.trim(), purl.trim());
        if reference.is_empty() || self.found.purls.len() >= MAX_COMPONENTS {
            return;
        }
        let before = self.found.purls.insert(reference.to_owned(), purl.to_owned());
        if before.is_some_and(|before| before != purl) {
            self.ambiguous.push(reference.to_owned());
        }
    }

    fn finish(mut self) -> BomReferences {
        for reference in &self.ambiguous {
            self.found.purls.remove(reference);
        }
        self.found.purls.retain(|_, purl| !purl.is_empty());
        self.found
    }
}

fn some(text: &str) -> Option<String> {
    Some(text.trim().to_owned()).filter(|text| !text.is_empty())
}

fn of_json(text: &str) -> Option<BomReferences> {
    let bom: Bom<'_> = serde_json::from_str(text).ok()?;
    let mut gathered = Gathered::default();
    gathered.found.serial = some(&bom.serial.0);
    gathered.found.version = some(&bom.version.0);
    let subject = bom.metadata.component.as_ref();
    gathered.found.subject = subject.and_then(|subject| some(&subject.reference.0));
    let mut open: Vec<&Entry<'_>> = bom.components.iter().flatten().chain(subject).collect();
    while let Some(entry) = open.pop() {
        gathered.add(&entry.reference.0, &entry.purl.0);
        open.extend(entry.components.iter().flatten());
    }
    Some(gathered.finish())
}

fn of_xml(text: &str) -> Option<BomReferences> {
    let mut gathered = Gathered::default();
    let mut reader = Reader::from_str(text);
    reader.config_mut().expand_empty_elements = true;
    // The references of the open components, and the elements.
    let mut components: Vec<(String, String)> = Vec::new();
    let mut path: Vec<String> = Vec::new();
    loop {
        match reader.read_event().ok()? {
            Event::Start(start) => {
                let local = start.local_name();
                let name: &str = local.as_ref();
                if path.is_empty() {
                    gathered.found.serial = find_attribute(&start, "serialNumber")
                        .ok()?
                        .as_deref()
                        .and_then(some);
                    gathered.found.version =
                        find_attribute(&start, "version").ok()?.as_deref().and_then(some);
                }
                if name == "component" {
                    let reference = find_attribute(&start, "bom-ref").ok()?.unwrap_or_default();
                    if path.last().is_some_and(|parent| parent == "metadata") {
                        gathered.found.subject = some(&reference);
                    }
                    components.push((reference, String::new()));
                }
                path.push(name.to_owned());
            }
            Event::End(_) if path.pop()? == "component" => {
                let (reference, purl) = components.pop()?;
                gathered.add(&reference, &purl);
            }
            Event::Text(text) => put(&path, &mut components, &text.xml10_content()),
            Event::CData(text) => put(&path, &mut components, &text.xml10_content()),
            Event::GeneralRef(reference) => {
                put(&path, &mut components, &resolve(&reference.into_inner()).ok()?);
            }
            Event::Eof => return Some(gathered.finish()),
            _ => {}
        }
    }
}

/// Adds the text of a component's package URL.
fn put(path: &[String], components: &mut [(String, String)], text: &str) {
    if let ([.., component, field], Some((_, purl))) = (path, components.last_mut())
        && component == "component"
        && field == "purl"
    {
        purl.push_str(text);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn references_are_read_at_every_depth() {
        let json = r#"{"bomFormat":"CycloneDX","specVersion":"1.5","serialNumber":"urn:uuid:1","version":3,
            "metadata":{"component":{"type":"application","name":"s","bom-ref":"s"}},
            "components":[{"type":"library","name":"a","bom-ref":"x","purl":"pkg:npm/a@1",
              "components":[{"type":"library","name":"b","bom-ref":"y","purl":"pkg:npm/b@1"}]},
             {"type":"library","name":"c","bom-ref":"z","purl":"pkg:npm/c@1"},
             {"type":"library","name":"d","bom-ref":"z","purl":"pkg:npm/d@1"}]}"#;
        let xml = r#"<bom xmlns="http://cyclonedx.org/schema/bom/1.5" serialNumber="urn:uuid:1" version="3">
            <metadata><component type="application" bom-ref="s"><name>s</name></component></metadata>
            <components><component type="library" bom-ref="x"><name>a</name><purl>pkg:npm/a@1</purl>
            <components><component type="library" bom-ref="y"><name>b</name><purl>pkg:npm/b@1</purl></component></components>
            </component></components></bom>"#;
        for document in [json, xml] {
            let found = references(document.as_bytes()).unwrap();
            assert_eq!(found.serial.as_deref(), Some("urn:uuid:1"));
            assert_eq!(
                (found.version.as_deref(), found.subject.as_deref()),
                (Some("3"), Some("s"))
            );
            let purls: Vec<_> = found
                .purls
                .iter()
                .map(|(r, p)| (r.as_str(), p.as_str()))
                .collect();
            assert_eq!(purls, [("x", "pkg:npm/a@1"), ("y", "pkg:npm/b@1")]);
        }
        assert_eq!(references(b"{}"), None);
        assert_eq!(references(b"\xff"), None);
    }
}
