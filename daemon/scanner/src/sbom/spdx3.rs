//! SPDX 3.0 as JSON-LD: the packages of `@graph`.
//!
//! Only the serialisation in the specification is read (its own context, compact names), not any equivalent JSON-LD.
//! Relationships are not followed: every package in the graph is included. The serialisation has every element in the
//! graph itself; a package inside another element, and an element without a type, are counted as unknown.

use std::borrow::Cow;
use std::collections::BTreeSet;
use std::fmt;

use serde::Deserialize;
use serde::de::{IgnoredAny, MapAccess, SeqAccess, Visitor};

use super::collect::{Collector, Found};
use super::limited::Limited;
use super::place::read_json as read_json_value;
use super::spdx2::{IsFilled, OTHER_DOCUMENTS, bare, is_cpe, is_operating_system, kind_of};
use super::{ComponentKind, Format, Inventory, Place, SbomError};
use crate::lenient::{AnyText, VersionText, or_default, pass_over};
use crate::origin::{OriginParts, SourceInfo};

#[derive(Deserialize)]
struct Document {
    #[serde(rename = "@graph", default, deserialize_with = "or_default")]
    graph: Limited<Element>,
}

#[derive(Deserialize, Default)]
struct Element {
    #[serde(rename = "spdxId", alias = "@id", default, deserialize_with = "or_default")]
    id: Scalar,
    #[serde(rename = "rootElement", default)]
    roots: References<true>,
    #[serde(rename = "type", alias = "@type", default, deserialize_with = "or_default")]
    kind: Scalar,
    #[serde(default, deserialize_with = "or_default")]
    name: Scalar,
    #[serde(rename = "specVersion", default, deserialize_with = "or_default")]
    spec_version: Scalar,
    #[serde(
        rename = "software_packageVersion",
        alias = "packageVersion",
        alias = "software:packageVersion",
        default,
        deserialize_with = "or_default"
    )]
    version: Scalar,
    #[serde(
        rename = "software_packageUrl",
        alias = "packageUrl",
        alias = "software:packageUrl",
        default,
        deserialize_with = "or_default"
    )]
    purl: Scalar,
    #[serde(
        rename = "software_primaryPurpose",
        alias = "primaryPurpose",
        alias = "software:primaryPurpose",
        default,
        deserialize_with = "or_default"
    )]
    purpose: Scalar,
    #[serde(
        rename = "externalIdentifier",
        alias = "externalIdentifiers",
        default,
        deserialize_with = "or_default"
    )]
    identifiers: Vec<Identifier>,
    #[serde(rename = "software_sourceInfo", alias = "sourceInfo", default)]
    source_info: SourceInfo,
    #[serde(default)]
    import: IsFilled,
    /// The elements of a relationship, and those of a collection.
    #[serde(default)]
    to: References<false>,
    #[serde(default)]
    element: References<false>,
}

/// A text, a whole number, or a skipped value: extensions may put objects anywhere.
#[derive(Deserialize, Default)]
#[serde(untagged)]
enum Scalar {
    Text(VersionText),
    /// JSON-LD allows a list for a single value.
    List(Vec<VersionText>),
    #[default]
    None,
    Other(serde::de::IgnoredAny),
}

impl Scalar {
    fn as_str(&self) -> &str {
        match self {
            Self::Text(text) => &text.0,
            Self::List(list) => list.first().map_or("", |text| &text.0),
            Self::None | Self::Other(_) => "",
        }
    }

    /// Returns all texts.
    fn texts(&self) -> &[VersionText] {
        match self {
            Self::Text(text) => std::slice::from_ref(text),
            Self::List(list) => list,
            Self::None | Self::Other(_) => &[],
        }
    }
}

#[derive(Deserialize, Default)]
struct Identifier {
    #[serde(rename = "externalIdentifierType", default, deserialize_with = "or_default")]
    kind: Scalar,
    #[serde(default, deserialize_with = "or_default")]
    identifier: Scalar,
}

/// References to elements, one or a list. If `NAMED`, the first two names are kept; more subjects of a document make no
/// difference.
#[derive(Default)]
struct References<const NAMED: bool> {
    names: Vec<String>,
    /// Number of packages that stand in the place of references to them.
    packages: usize,
}

impl<const NAMED: bool> References<NAMED> {
    fn take(&mut self, reference: Cow<'_, str>) {
        if NAMED && self.names.len() < 2 && !reference.is_empty() {
            self.names.push(reference.into_owned());
        }
    }
}

impl<'de, const NAMED: bool> Deserialize<'de> for References<NAMED> {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Reader<const NAMED: bool>;
        impl<'de, const NAMED: bool> Visitor<'de> for Reader<NAMED> {
            type Value = References<NAMED>;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("references to elements")
            }

            fn visit_borrowed_str<E>(self, text: &'de str) -> Result<Self::Value, E> {
                let mut found = References::default();
                found.take(Cow::Borrowed(text));
                Ok(found)
            }

            fn visit_str<E>(self, text: &str) -> Result<Self::Value, E> {
                let mut found = References::default();
                found.take(Cow::Borrowed(text));
                Ok(found)
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
                let mut found = References::default();
                while let Some(AnyText(key)) = map.next_key()? {
                    match key.as_ref() {
                        "type" | "@type" => {
                            let AnyText(kind) = map.next_value()?;
                            found.packages += usize::from(kind.ends_with("Package"));
                        }
                        _ => {
                            map.next_value::<IgnoredAny>()?;
                        }
                    }
                }
                Ok(found)
            }

            fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> Result<Self::Value, A::Error> {
                let mut found = References::default();
                while let Some(entry) = list.next_element::<References<NAMED>>()? {
                    found.packages += entry.packages;
                    for name in entry.names {
                        found.take(Cow::Owned(name));
                    }
                }
                Ok(found)
            }

            pass_over!(References::default(); unit scalars);
        }
        deserializer.deserialize_any(Reader)
    }
}

pub(super) fn read_json(bytes: &[u8]) -> Result<Inventory, SbomError> {
    let format = Format::Spdx3Json;
    let document: Document = read_json_value(bytes).map_err(|(place, reason)| SbomError::Invalid {
        format,
        place,
        reason,
    })?;
    let mut collector = Collector::default();
    let (mut version, mut subject) = (String::new(), String::new());
    let graph = Place::root().child("@graph");
    let of_kind = |kind: &'static str| document.graph.iter().filter(move |e| e.kind.as_str() == kind);
    // The document's root may be the SBOM, whose root is its subject.
    let roots = |kind| -> BTreeSet<&str> {
        of_kind(kind)
            .flat_map(|e| &e.roots.names)
            .map(String::as_str)
            .collect()
    };
    let of_sboms = roots("software_Sbom");
    let described = if of_sboms.is_empty() {
        roots("SpdxDocument")
    } else {
        of_sboms
    };
    collector.describes_several = described.len() > 1;
    for (i, element) in document.graph.iter().enumerate() {
        let place = graph.child(i);
        if element.import.0 {
            collector.note(&place.child("import"), OTHER_DOCUMENTS);
        }
        let nested = [
            ("rootElement", element.roots.packages),
            ("to", element.to.packages),
            ("element", element.element.packages),
        ];
        for (list, packages) in nested {
            for _ in 0..packages {
                collector.add_unread("a package inside another element is not read", &place.child(list));
            }
        }
        match bare(element.kind.as_str()) {
            "CreationInfo" if version.is_empty() => element.spec_version.as_str().clone_into(&mut version),
            "SpdxDocument" if subject.is_empty() => element.name.as_str().clone_into(&mut subject),
            "" => collector.add_unread("an element without a type", &place),
            // With a prefix of its own, or none.
            kind if kind.ends_with("Package") => {
                let is_subject = described.len() == 1 && described.contains(element.id.as_str());
                take(element, kind, &place, is_subject, &mut collector);
            }
            _ => {}
        }
    }
    if !version.is_empty() && !version.starts_with("3.") {
        let reason = format!("{version:?} is not a version of SPDX 3");
        return Err(SbomError::Invalid {
            format,
            place: graph,
            reason,
        });
    }
    collector.finish(format, &version, &subject)
}

fn take(element: &Element, class: &str, place: &Place, is_subject: bool, collector: &mut Collector) {
    let urls = element.purl.texts().iter();
    let mut purls: Vec<_> = urls.filter_map(|url| collector.purl(&url.0, place)).collect();
    let mut cpes = Vec::new();
    for identifier in &element.identifiers {
        let kind = bare(identifier.kind.as_str());
        if ["packageUrl", "purl"]
            .iter()
            .any(|url| url.eq_ignore_ascii_case(kind))
        {
            purls.extend(collector.purl(identifier.identifier.as_str(), place));
        } else if is_cpe(kind) {
            cpes.push(identifier.identifier.as_str());
        }
    }
    let purpose = match bare(element.purpose.as_str()) {
        // Models and data are packages of their own classes.
        "" if class.ends_with("AIPackage") => "model",
        "" if class.ends_with("DatasetPackage") => "data",
        purpose => purpose,
    };
    let kind = kind_of(purpose, element.version.as_str());
    if kind == ComponentKind::Other && is_operating_system(purpose) {
        collector.operating_system(element.name.as_str(), element.version.as_str());
    }
    let kind = if is_subject { ComponentKind::Subject } else { kind };
    let (name, version) = (element.name.as_str(), element.version.as_str());
    let found = Found {
        name,
        version,
        purls,
        cpes,
        kind,
        place,
    };
    collector.add_with(found, OriginParts::finish(element.source_info.0.as_deref()));
}
