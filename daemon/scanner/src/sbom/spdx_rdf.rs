//! SPDX 2.0 to 2.3 as RDF/XML: packages and their package URLs, from the document's graph.
//!
//! RDF/XML can write one graph in many ways: a node is written at its first use, or separately with an address; a
//! text is an element or an attribute. This reader supports the part of the grammar (W3C, "RDF 1.1 XML Syntax") that
//! tools use: alternating nodes and properties, `rdf:about`, `rdf:ID`, `rdf:nodeID`, `rdf:resource`, property
//! attributes and `parseType`. Base addresses are not resolved: addresses are compared as written. Only documents,
//! packages and external references are kept, so memory is limited by the document.

use std::collections::BTreeMap;

use quick_xml::events::{BytesStart, Event};
use quick_xml::reader::NsReader;

use super::collect::{Collector, Found};
use super::markup::{Lines, bound, resolve};
use super::spdx2::{OTHER_DOCUMENTS, is_cpe, is_version, kind_of};
use super::{Format, Inventory, Place, SbomError};
use crate::origin::OriginParts;

/// Deepest nesting of elements; tools nest a package in its first relationship.
const MAX_DEPTH: usize = 2_048;
const SPDX: &str = "http://spdx.org/rdf/terms#";
const RDF: &str = "http://www.w3.org/1999/02/22-rdf-syntax-ns#";

/// The kind of a node.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
enum Kind {
    Document,
    Package,
    ExternalRef,
    /// A reference to another document.
    OtherDocument,
    /// Not known yet, or irrelevant.
    #[default]
    Other,
}

fn kind_named(local: &str) -> Kind {
    match local {
        "SpdxDocument" => Kind::Document,
        "Package" => Kind::Package,
        "ExternalRef" => Kind::ExternalRef,
        "ExternalDocumentRef" => Kind::OtherDocument,
        _ => Kind::Other,
    }
}

/// A node of the graph, as far as it is relevant.
#[derive(Debug, Default)]
struct Node {
    kind: Kind,
    place: Option<Place>,
    name: String,
    version: String,
    purpose: String,
    spec_version: String,
    reference_type: String,
    locator: String,
    source_info: String,
    references: Vec<usize>,
    /// The first property that has two values.
    repeated: Option<Property>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Property {
    Type,
    Name,
    Version,
    Purpose,
    SpecVersion,
    ReferenceType,
    Locator,
    SourceInfo,
    Reference,
    Other,
}

fn property_named(namespace: &str, local: &str) -> Property {
    match (namespace, local) {
        (RDF, "type") => Property::Type,
        (SPDX, "name") => Property::Name,
        (SPDX, "versionInfo") => Property::Version,
        (SPDX, "primaryPackagePurpose") => Property::Purpose,
        (SPDX, "specVersion") => Property::SpecVersion,
        (SPDX, "referenceType") => Property::ReferenceType,
        (SPDX, "referenceLocator") => Property::Locator,
        (SPDX, "sourceInfo") => Property::SourceInfo,
        (SPDX, "externalRef") => Property::Reference,
        _ => Property::Other,
    }
}

impl Node {
    /// Returns what is wrong with a node that says two things where it may say one.
    fn fault(&self) -> Option<&'static str> {
        match self.repeated? {
            Property::Name => Some("the package has two names"),
            Property::Version => Some("the package has two versions"),
            Property::Locator => Some("a reference of the package has two locators"),
            _ => None,
        }
    }
}

/// An open element: nodes and properties alternate.
enum Frame {
    /// `rdf:RDF`.
    Root,
    /// A node; its children are properties.
    Node(usize),
    /// A property of a node; its children are nodes, or text.
    Property {
        of: usize,
        property: Property,
        text: String,
    },
    /// An XML literal, and the levels below it.
    Literal,
}

pub(super) fn read(text: &str) -> Result<Inventory, SbomError> {
    let format = Format::SpdxRdf;
    let invalid = |place, reason| SbomError::Invalid {
        format,
        place,
        reason,
    };
    let mut lines = Lines::of(text.as_bytes());
    let mut graph = Graph::default();
    let mut reader = NsReader::from_str(text);
    reader.config_mut().expand_empty_elements = true;
    loop {
        let place = lines.place(reader.buffer_position());
        let (namespace, event) = match reader.read_resolved_event() {
            Ok((namespace, event)) => (bound(&namespace), event.into_owned()),
            Err(error) => return Err(invalid(lines.place(reader.error_position()), error.to_string())),
        };
        match event {
            Event::Start(start) => {
                let attributes =
                    attributes_of(&start, &reader).map_err(|reason| invalid(place.clone(), reason))?;
                let local = start.local_name();
                graph
                    .open(&namespace, local.as_ref(), &attributes, &place)
                    .map_err(|reason| invalid(place, reason))?;
            }
            Event::End(_) => graph.close(),
            Event::Text(text) => graph.text(&text.xml10_content()),
            Event::CData(text) => graph.text(&text.xml10_content()),
            Event::GeneralRef(reference) => {
                let character = resolve(&reference.into_inner()).map_err(|reason| invalid(place, reason))?;
                graph.text(&character);
            }
            Event::Eof => break,
            _ => {}
        }
    }
    if !graph.frames.is_empty() || graph.nodes.is_empty() {
        let place = lines.place(u64::try_from(text.len()).unwrap_or(u64::MAX));
        return Err(invalid(
            place,
            "the document ends before its root element does".to_owned(),
        ));
    }
    graph.into_inventory(format)
}

/// An attribute with its namespace.
struct Attribute {
    namespace: String,
    local: String,
    value: String,
}

fn attributes_of(start: &BytesStart<'_>, reader: &NsReader<&[u8]>) -> Result<Vec<Attribute>, String> {
    let mut found = Vec::new();
    for attribute in start.attributes() {
        let attribute = attribute.map_err(|error| error.to_string())?;
        let (namespace, local) = reader.resolver().resolve_attribute(attribute.key);
        found.push(Attribute {
            namespace: bound(&namespace),
            local: local.as_ref().to_owned(),
            value: unescaped(&attribute.value)?,
        });
    }
    Ok(found)
}

/// Returns an attribute's value with its entities resolved, as in text.
fn unescaped(value: &str) -> Result<String, String> {
    let mut text = String::with_capacity(value.len());
    let mut rest = value;
    while let Some((before, after)) = rest.split_once('&') {
        text.push_str(before);
        let (name, after) = after
            .split_once(';')
            .ok_or_else(|| "an & in an attribute begins no entity".to_owned())?;
        text.push_str(&resolve(name)?);
        rest = after;
    }
    text.push_str(rest);
    Ok(text)
}

#[derive(Default)]
struct Graph {
    frames: Vec<Frame>,
    nodes: Vec<Node>,
    /// Nodes by name: an address, or a name within the document.
    called: BTreeMap<String, usize>,
}

impl Graph {
    fn open(
        &mut self,
        namespace: &str,
        local: &str,
        attributes: &[Attribute],
        place: &Place,
    ) -> Result<(), String> {
        if self.frames.len() >= MAX_DEPTH {
            return Err(format!("elements are nested deeper than {MAX_DEPTH}"));
        }
        let of_rdf = |name: &str| {
            let mut found = attributes
                .iter()
                .filter(|a| a.namespace == RDF && a.local == name);
            found.next().map(|attribute| attribute.value.as_str())
        };
        let frame = match self.frames.last() {
            None if namespace == RDF && local == "RDF" => Frame::Root,
            None | Some(Frame::Root) => Frame::Node(self.node(namespace, local, attributes, place)),
            Some(Frame::Property { of, property, .. }) => {
                let (of, property) = (*of, *property);
                let node = self.node(namespace, local, attributes, place);
                self.link(of, property, node);
                Frame::Node(node)
            }
            Some(Frame::Literal) => Frame::Literal,
            Some(Frame::Node(of)) => {
                let of = *of;
                let property = property_named(namespace, local);
                let target = of_rdf("resource").map(str::to_owned).or_else(|| {
                    let name = of_rdf("nodeID")?;
                    Some(format!("_:{name}"))
                });
                if let Some(target) = target {
                    match property {
                        Property::Reference => {
                            let node = self.called(&target);
                            self.link(of, property, node);
                        }
                        _ => self.say(of, property, &target),
                    }
                }
                match of_rdf("parseType") {
                    // The element is a property, and its content that of an unnamed node.
                    Some("Resource") => {
                        let node = self.nodes.len();
                        self.nodes.push(Node {
                            place: Some(place.clone()),
                            ..Node::default()
                        });
                        self.link(of, property, node);
                        Frame::Node(node)
                    }
                    Some("Literal") => Frame::Literal,
                    _ => Frame::Property {
                        of,
                        property,
                        text: String::new(),
                    },
                }
            }
        };
        self.frames.push(frame);
        Ok(())
    }

    /// Returns the node of an element; a name that was used before is the same node.
    fn node(&mut self, namespace: &str, local: &str, attributes: &[Attribute], place: &Place) -> usize {
        let of_rdf = |name: &str| {
            let mut found = attributes
                .iter()
                .filter(|a| a.namespace == RDF && a.local == name);
            found.next().map(|attribute| attribute.value.as_str())
        };
        let name = of_rdf("about")
            .map(str::to_owned)
            .or_else(|| Some(format!("#{}", of_rdf("ID")?)))
            .or_else(|| Some(format!("_:{}", of_rdf("nodeID")?)));
        let node = match name {
            Some(name) => self.called(&name),
            None => {
                self.nodes.push(Node::default());
                self.nodes.len() - 1
            }
        };
        if let Some(found) = self.nodes.get_mut(node) {
            let kind = if namespace == SPDX {
                kind_named(local)
            } else {
                Kind::Other
            };
            if kind != Kind::Other {
                found.kind = kind;
            }
            if found.place.is_none() {
                found.place = Some(place.clone());
            }
        }
        for attribute in attributes {
            let property = property_named(&attribute.namespace, &attribute.local);
            self.say(node, property, &attribute.value);
        }
        node
    }

    fn called(&mut self, name: &str) -> usize {
        if let Some(node) = self.called.get(name) {
            return *node;
        }
        let node = self.nodes.len();
        self.nodes.push(Node::default());
        self.called.insert(name.to_owned(), node);
        node
    }

    fn link(&mut self, of: usize, property: Property, to: usize) {
        if property == Property::Reference
            && let Some(node) = self.nodes.get_mut(of)
        {
            node.references.push(to);
        }
    }

    /// Adds a property with a value, text or address, to a node.
    fn say(&mut self, of: usize, property: Property, value: &str) {
        let Some(node) = self.nodes.get_mut(of) else {
            return;
        };
        let value = value.trim();
        let field = match property {
            Property::Type => {
                if let Some(local) = value.strip_prefix(SPDX) {
                    node.kind = kind_named(local);
                }
                return;
            }
            Property::Name => &mut node.name,
            Property::Version => &mut node.version,
            Property::Purpose => &mut node.purpose,
            Property::SpecVersion => &mut node.spec_version,
            Property::ReferenceType => &mut node.reference_type,
            Property::Locator => &mut node.locator,
            Property::SourceInfo => &mut node.source_info,
            Property::Reference | Property::Other => return,
        };
        if field.is_empty() {
            value.clone_into(field);
        } else if field != value {
            node.repeated = node.repeated.or(Some(property));
        }
    }

    fn text(&mut self, more: &str) {
        if let Some(Frame::Property { property, text, .. }) = self.frames.last_mut()
            && *property != Property::Other
        {
            text.push_str(more);
        }
    }

    fn close(&mut self) {
        if let Some(Frame::Property { of, property, text }) = self.frames.pop()
            && !text.trim().is_empty()
        {
            self.say(of, property, &text);
        }
    }

    fn into_inventory(self, format: Format) -> Result<Inventory, SbomError> {
        let whole = || Place::line(1);
        let document = self.nodes.iter().find(|node| node.kind == Kind::Document);
        let Some(document) = document else {
            return Err(SbomError::Invalid {
                format,
                place: whole(),
                reason: "there is no SpdxDocument".to_owned(),
            });
        };
        if !is_version(&document.spec_version) {
            return Err(SbomError::Invalid {
                format,
                place: document.place.clone().unwrap_or_else(whole),
                reason: format!("{:?} is not a version of SPDX 2", document.spec_version),
            });
        }
        let mut collector = Collector::default();
        if let Some(other) = self.nodes.iter().find(|node| node.kind == Kind::OtherDocument) {
            collector.note(&other.place.clone().unwrap_or_else(whole), OTHER_DOCUMENTS);
        }
        for package in self.nodes.iter().filter(|node| node.kind == Kind::Package) {
            let place = package.place.clone().unwrap_or_else(whole);
            let references = package.references.iter().filter_map(|at| self.nodes.get(*at));
            if let Some(reason) = std::iter::once(package).chain(references).find_map(Node::fault) {
                return Err(SbomError::Invalid {
                    format,
                    place,
                    reason: reason.to_owned(),
                });
            }
            let (mut purls, mut cpes) = (Vec::new(), Vec::new());
            for reference in &package.references {
                // `http://spdx.org/rdf/references/purl`, or the document's own address and `#purl`.
                let Some(reference) = self.nodes.get(*reference) else {
                    continue;
                };
                let kind = reference
                    .reference_type
                    .rsplit(['/', '#'])
                    .next()
                    .unwrap_or_default();
                if is_cpe(kind) {
                    cpes.push(reference.locator.as_str());
                }
                if !kind.eq_ignore_ascii_case("purl") {
                    continue;
                }
                let at = reference.place.clone().unwrap_or_else(|| place.clone());
                let purl = collector.purl(&reference.locator, &at);
                purls.extend(purl);
            }
            // `http://spdx.org/rdf/terms#purpose_operatingSystem`
            let purpose = package.purpose.rsplit('#').next().unwrap_or_default();
            let purpose = purpose
                .strip_prefix("purpose_")
                .unwrap_or(purpose)
                .replace('_', "");
            if purpose.eq_ignore_ascii_case("operatingSystem") {
                collector.operating_system(&package.name, &package.version);
            }
            let mut origin = None;
            OriginParts::take_source_info(&mut origin, &package.source_info);
            let found = Found {
                name: &package.name,
                version: &package.version,
                purls,
                cpes,
                kind: kind_of(&purpose, &package.version),
                place: &place,
            };
            collector.add_with(found, OriginParts::finish(origin.as_deref()));
        }
        collector.finish(format, &document.spec_version, &document.name)
    }
}

#[cfg(test)]
mod tests;
