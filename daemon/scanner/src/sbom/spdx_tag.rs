//! SPDX 2 as tag-value text: `Tag: value` lines, multi-line values between `<text>` and `</text>`.

use std::collections::BTreeSet;

use super::collect::{Collector, Found};
use super::spdx2::{bare, described_by, is_cpe, is_operating_system, is_version, kind_of, purpose};
use super::{ComponentKind, Format, Inventory, Place, SbomError};
use crate::origin::OriginParts;
use crate::purl::PackageUrl;

#[derive(Default)]
struct Package {
    name: String,
    id: String,
    version: String,
    purpose: String,
    purls: Vec<PackageUrl>,
    cpes: Vec<String>,
    origin: Option<Box<OriginParts>>,
    line: usize,
}

pub(super) fn read(text: &str) -> Result<Inventory, SbomError> {
    let format = Format::SpdxTagValue;
    let invalid = |line, reason| SbomError::Invalid {
        format,
        place: Place::Line { line, column: 1 },
        reason,
    };
    let mut collector = Collector::default();
    let (mut version, mut subject) = (String::new(), String::new());
    let mut open: Option<Package> = None;
    let mut packages: Vec<Package> = Vec::new();
    let mut described: BTreeSet<String> = BTreeSet::new();
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
            if let Some(package) = &mut open {
                package.remark(tag.trim(), value);
            }
            continue;
        }
        match tag.trim() {
            "SPDXVersion" => {
                if !is_version(value) {
                    return Err(invalid(number, format!("{value:?} is not a version of SPDX 2")));
                }
                value.clone_into(&mut version);
            }
            "DocumentName" => value.clone_into(&mut subject),
            "PackageName" => {
                packages.extend(open.take());
                open = Some(Package {
                    name: value.to_owned(),
                    line: number,
                    ..Package::default()
                });
            }
            // A file or a snippet ends the package's own tags.
            "FileName" | "SnippetSPDXID" => packages.extend(open.take()),
            "Relationship" => {
                let fields: Vec<&str> = value.split_whitespace().collect();
                if let [element, kind, related, ..] = fields[..] {
                    described.extend(described_by(element, kind, related).map(str::to_owned));
                }
            }
            "SPDXID" => {
                if let Some(package) = &mut open {
                    value.clone_into(&mut package.id);
                }
            }
            "PackageVersion" => {
                if let Some(package) = &mut open {
                    value.clone_into(&mut package.version);
                }
            }
            "PrimaryPackagePurpose" => {
                if let Some(package) = &mut open {
                    value.clone_into(&mut package.purpose);
                }
            }
            "ExternalRef" => {
                let fields: Vec<&str> = value.splitn(3, char::is_whitespace).map(str::trim).collect();
                let (Some(package), [_, kind, locator]) = (&mut open, &fields[..]) else {
                    continue;
                };
                if is_cpe(bare(kind)) {
                    package.cpes.push((*locator).to_owned());
                } else if bare(kind).eq_ignore_ascii_case("purl") {
                    let purl = collector.purl(
                        locator,
                        &Place::Line {
                            line: number,
                            column: 1,
                        },
                    );
                    package.purls.extend(purl);
                }
            }
            tag => {
                if let Some(package) = &mut open {
                    package.remark(tag, value);
                }
            }
        }
    }
    packages.extend(open);
    collector.describes_several = described.len() > 1;
    for package in packages {
        let is_subject = described.len() == 1 && described.contains(&package.id);
        close(package, is_subject, &mut collector);
    }
    if version.is_empty() {
        return Err(invalid(1, "there is no SPDXVersion".to_owned()));
    }
    collector.finish(format, &version, &subject)
}

fn close(package: Package, is_subject: bool, collector: &mut Collector) {
    let purpose = purpose(&package.purpose, &package.id);
    if is_operating_system(purpose) {
        collector.operating_system(&package.name, &package.version);
    }
    let place = Place::Line {
        line: package.line,
        column: 1,
    };
    let found = Found {
        name: &package.name,
        version: &package.version,
        purls: package.purls,
        cpes: package.cpes.iter().map(String::as_str).collect(),
        kind: if is_subject {
            ComponentKind::Subject
        } else {
            kind_of(purpose, &package.version)
        },
        place: &place,
    };
    collector.add_with(found, OriginParts::finish(package.origin.as_deref()));
}

impl Package {
    /// Adds the origin data of a tag without its own field.
    fn remark(&mut self, tag: &str, value: &str) {
        let value = value.strip_prefix("<text>").unwrap_or(value);
        let value = value.strip_suffix("</text>").unwrap_or(value);
        match tag {
            "PackageSourceInfo" => OriginParts::take_source_info(&mut self.origin, value),
            "PackageAttributionText" | "AnnotationComment" => OriginParts::take_line(&mut self.origin, value),
            _ => {}
        }
    }
}

fn shorten(text: &str) -> String {
    text.chars().take(60).collect()
}
