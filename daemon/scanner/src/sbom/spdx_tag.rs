//! SPDX 2 as tag-value text: `Tag: value` lines, multi-line values between `<text>` and `</text>`.

use std::collections::BTreeSet;

use super::collect::{Collector, Found};
use super::spdx2::{
    OTHER_DOCUMENTS, bare, described_by, is_cpe, is_operating_system, is_version, kind_of, purpose,
};
use super::{ComponentKind, Format, Inventory, Place, SbomError};
use crate::origin::{OriginParts, Vendor, with_vendor};

#[derive(Default)]
struct Package {
    name: String,
    id: String,
    version: String,
    purpose: String,
    /// Package URLs, each with its line.
    purls: Vec<(String, usize)>,
    cpes: Vec<String>,
    origin: Option<Box<OriginParts>>,
    originator: Option<Vendor>,
    supplier: Option<Vendor>,
    line: usize,
}

pub(super) fn read(text: &str) -> Result<Inventory, SbomError> {
    let mut document = Document::default();
    let mut lines = text.lines().enumerate();
    while let Some((index, line)) = lines.next() {
        let number = index + 1;
        let trimmed = line.trim();
        if trimmed.is_empty() || trimmed.starts_with('#') {
            continue;
        }
        let Some((tag, value)) = trimmed.split_once(':') else {
            return Err(invalid(
                number,
                format!("{:?} is no \"Tag: value\"", shorten(trimmed)),
            ));
        };
        let value = value.trim();
        if value.starts_with("<text>") && !value.contains("</text>") {
            // Only the first line of free text may be relevant for an inventory.
            let closed = lines.by_ref().any(|(_, line)| line.contains("</text>"));
            if !closed {
                return Err(invalid(number, format!("the <text> of {tag:?} is never closed")));
            }
            if let Some(package) = &mut document.open {
                package.remark(tag.trim(), value);
            }
            continue;
        }
        document.take(tag.trim(), value, number)?;
    }
    document.finish()
}

fn invalid(line: usize, reason: String) -> SbomError {
    SbomError::Invalid {
        format: Format::SpdxTagValue,
        place: Place::Line { line, column: 1 },
        reason,
    }
}

/// A document while its lines are read.
#[derive(Default)]
struct Document {
    version: String,
    subject: String,
    /// The package whose tags are being read.
    open: Option<Package>,
    packages: Vec<Package>,
    /// Ids of the elements that the document describes.
    described: BTreeSet<String>,
    /// The line of the first reference to another document.
    other_document: Option<usize>,
    collector: Collector,
}

impl Document {
    /// Takes a tag with a value on one line.
    fn take(&mut self, tag: &str, value: &str, line: usize) -> Result<(), SbomError> {
        match tag {
            "SPDXVersion" => {
                if !is_version(value) {
                    return Err(invalid(line, format!("{value:?} is not a version of SPDX 2")));
                }
                value.clone_into(&mut self.version);
            }
            "ExternalDocumentRef" => {
                self.other_document.get_or_insert(line);
            }
            "DocumentName" => value.clone_into(&mut self.subject),
            "PackageName" => {
                self.packages.extend(self.open.take());
                self.open = Some(Package {
                    name: unquoted(value).to_owned(),
                    line,
                    ..Package::default()
                });
            }
            // A file or a snippet ends the package's own tags.
            "FileName" | "SnippetSPDXID" => self.packages.extend(self.open.take()),
            "Relationship" => {
                let fields: Vec<&str> = value.split_whitespace().collect();
                if let [element, kind, related, ..] = fields[..] {
                    self.described
                        .extend(described_by(element, kind, related).map(str::to_owned));
                }
            }
            _ => {
                if let Some(package) = &mut self.open {
                    let is_second = tag == "PackageVersion"
                        && !package.version.is_empty()
                        && package.version != unquoted(value);
                    if is_second {
                        return Err(invalid(line, "the package has two versions".to_owned()));
                    }
                    package.take(tag, value, line);
                }
            }
        }
        Ok(())
    }

    fn finish(mut self) -> Result<Inventory, SbomError> {
        self.packages.extend(self.open);
        let mut collector = self.collector;
        if let Some(line) = self.other_document {
            collector.note(&Place::line(line), OTHER_DOCUMENTS);
        }
        collector.describes_several = self.described.len() > 1;
        for package in self.packages {
            let is_subject = self.described.len() == 1 && self.described.contains(&package.id);
            close(&package, is_subject, &mut collector);
        }
        if self.version.is_empty() {
            return Err(invalid(1, "there is no SPDXVersion".to_owned()));
        }
        collector.finish(Format::SpdxTagValue, &self.version, &self.subject)
    }
}

fn close(package: &Package, is_subject: bool, collector: &mut Collector) {
    let purpose = purpose(&package.purpose, &package.id);
    if is_operating_system(purpose) {
        collector.operating_system(&package.name, &package.version);
    }
    let place = Place::Line {
        line: package.line,
        column: 1,
    };
    let purls = package
        .purls
        .iter()
        .filter_map(|(purl, line)| collector.purl(purl, &Place::line(*line)))
        .collect();
    let found = Found {
        name: &package.name,
        version: &package.version,
        purls,
        cpes: package.cpes.iter().map(String::as_str).collect(),
        kind: if is_subject {
            ComponentKind::Subject
        } else {
            kind_of(purpose, &package.version)
        },
        place: &place,
    };
    let origin = OriginParts::finish(package.origin.as_deref());
    collector.add_with(found, with_vendor(origin, package.originator, package.supplier));
}

impl Package {
    /// Takes a tag of the package.
    fn take(&mut self, tag: &str, value: &str, line: usize) {
        let value = unquoted(value);
        match tag {
            "SPDXID" => value.clone_into(&mut self.id),
            "PackageVersion" => value.clone_into(&mut self.version),
            "PrimaryPackagePurpose" => value.clone_into(&mut self.purpose),
            "PackageOriginator" => self.originator = Vendor::of(value),
            "PackageSupplier" => self.supplier = Vendor::of(value),
            "ExternalRef" => self.refer(value, line),
            tag => self.remark(tag, value),
        }
    }

    /// Adds the package URL or CPE of an external reference: its category, type and locator.
    fn refer(&mut self, value: &str, line: usize) {
        let mut fields = value.split_whitespace().skip(1);
        let (Some(kind), Some(locator)) = (fields.next(), fields.next()) else {
            return;
        };
        if is_cpe(bare(kind)) {
            self.cpes.push(locator.to_owned());
        } else if bare(kind).eq_ignore_ascii_case("purl") {
            self.purls.push((locator.to_owned(), line));
        }
    }

    /// Adds the origin data of a tag without its own field.
    fn remark(&mut self, tag: &str, value: &str) {
        let value = unquoted(value);
        match tag {
            "PackageSourceInfo" => OriginParts::take_source_info(&mut self.origin, value),
            "PackageAttributionText" | "AnnotationComment" => OriginParts::take_line(&mut self.origin, value),
            _ => {}
        }
    }
}

/// Returns a value without the marks of free text.
fn unquoted(value: &str) -> &str {
    let value = value.strip_prefix("<text>").unwrap_or(value);
    value.strip_suffix("</text>").unwrap_or(value).trim()
}

fn shorten(text: &str) -> String {
    text.chars().take(60).collect()
}
