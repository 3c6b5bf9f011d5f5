//! Maven's `pom.xml`: a project's direct dependencies.
//!
//! A POM is not a lockfile: Maven adds parents, imported lists and transitive dependencies. So a dependency without a
//! version in the document (even through a `${property}` or `dependencyManagement`) becomes a component without
//! version, and coverage shows it.

use std::collections::BTreeMap;

use quick_xml::events::Event;
use quick_xml::reader::Reader;

use super::collect::{Collector, Found};
use super::{ComponentKind, Format, Inventory, Place, SbomError};
use crate::purl::{PackageUrl, PurlParts};

/// Deepest nesting of elements that is followed.
const MAX_DEPTH: usize = 64;
/// Most properties through which one value is resolved: a property may refer to another one.
const MAX_STEPS: usize = 16;
/// Longest coordinate after property expansion, in bytes.
const MAX_TEXT: usize = 1024;

#[derive(Debug, Default)]
struct Dependency {
    group: String,
    artifact: String,
    version: String,
    line: usize,
}

/// A document's data, before properties are resolved.
#[derive(Debug, Default)]
struct Pom {
    properties: BTreeMap<String, String>,
    managed: Vec<Dependency>,
    dependencies: Vec<Dependency>,
    artifact: String,
}

pub(super) fn read(text: &str) -> Result<Inventory, SbomError> {
    let pom = parse(text).map_err(|(line, reason)| SbomError::Invalid {
        format: Format::Pom,
        place: Place::line(line),
        reason,
    })?;
    let managed: BTreeMap<(String, String), String> = pom
        .managed
        .iter()
        .map(|found| {
            let key = (pom.resolve(&found.group), pom.resolve(&found.artifact));
            (key, pom.resolve(&found.version))
        })
        .collect();
    let mut collector = Collector::default();
    for found in &pom.dependencies {
        let place = Place::line(found.line);
        let (group, artifact) = (pom.resolve(&found.group), pom.resolve(&found.artifact));
        let mut version = pom.resolve(&found.version);
        if version.is_empty() {
            let key = (group.clone(), artifact.clone());
            version = managed.get(&key).cloned().unwrap_or_default();
        }
        // A property from elsewhere, or a range: Maven would choose, this reader does not guess.
        if version.contains("${") || version.starts_with(['[', '(']) {
            collector.note(
                &place,
                format!("the version {version:?} is not one that stands here"),
            );
            version.clear();
        }
        let parts = PurlParts {
            ty: "maven",
            namespace: Some(&group),
            name: &artifact,
            version: Some(&version).filter(|v| !v.is_empty()).map(String::as_str),
            ..PurlParts::default()
        };
        let purls: Vec<_> = PackageUrl::build(&parts).into_iter().collect();
        collector.add(Found {
            name: &format!("{group}:{artifact}"),
            version: &version,
            purls,
            cpes: Vec::new(),
            kind: ComponentKind::Package,
            place: &place,
        });
    }
    collector.finish(Format::Pom, "", &pom.resolve(&pom.artifact))
}

impl Pom {
    /// Replaces `${name}` by its property; unknown ones stay unchanged.
    fn resolve(&self, text: &str) -> String {
        let mut text = text.trim().to_owned();
        for _ in 0..MAX_STEPS {
            let Some((head, rest)) = text.split_once("${") else {
                break;
            };
            let Some((name, tail)) = rest.split_once('}') else {
                break;
            };
            let Some(value) = self.properties.get(name) else {
                break;
            };
            if head.len() + value.len() + tail.len() > MAX_TEXT {
                break;
            }
            text = format!("{head}{value}{tail}");
        }
        text
    }
}

fn parse(text: &str) -> Result<Pom, (usize, String)> {
    let mut reader = Reader::from_str(text);
    reader.config_mut().expand_empty_elements = true;
    let mut pom = Pom::default();
    let mut path: Vec<String> = Vec::new();
    let mut content = String::new();
    // The last requested line and its offset: every line of a long document is counted once.
    let mut before = (0, 1);
    let mut line_at = |at: u64| {
        let end = usize::try_from(at).unwrap_or(usize::MAX).min(text.len());
        let (start, line) = if end < before.0 { (0, 1) } else { before };
        let between = text.as_bytes().get(start..end).unwrap_or_default();
        before = (end, line + between.iter().filter(|byte| **byte == b'\n').count());
        before.1
    };
    loop {
        let at = reader.buffer_position();
        let event = reader
            .read_event()
            .map_err(|error| (line_at(reader.error_position()), error.to_string()))?;
        match event {
            Event::Start(start) => {
                if path.len() >= MAX_DEPTH {
                    return Err((
                        line_at(at),
                        format!("elements are nested deeper than {MAX_DEPTH}"),
                    ));
                }
                path.push(start.local_name().as_ref().to_owned());
                content.clear();
                let steps = steps_of(&path);
                match steps[..] {
                    [root] if root != "project" => {
                        return Err((
                            line_at(at),
                            format!("the root element is {root:?}, not \"project\""),
                        ));
                    }
                    ["project", "dependencies", "dependency"] => pom.dependencies.push(Dependency {
                        line: line_at(at),
                        ..Dependency::default()
                    }),
                    ["project", "dependencyManagement", "dependencies", "dependency"] => {
                        pom.managed.push(Dependency::default());
                    }
                    _ => {}
                }
            }
            Event::Text(found) => content.push_str(&found.xml10_content()),
            Event::CData(found) => content.push_str(&found.xml10_content()),
            Event::End(_) => {
                pom.take(&path, content.trim());
                content.clear();
                path.pop();
            }
            Event::Eof if path.is_empty() => return Ok(pom),
            Event::Eof => {
                return Err((
                    line_at(at),
                    "the document ends before its project does".to_owned(),
                ));
            }
            _ => {}
        }
    }
}

/// Returns the path of an element. A profile's dependencies are dependencies of the project: the document does not say
/// if the profile is used.
fn steps_of(path: &[String]) -> Vec<&str> {
    let steps: Vec<&str> = path.iter().map(String::as_str).collect();
    match &steps[..] {
        ["project", "profiles", "profile", rest @ ..] if rest.first() == Some(&"dependencies") => {
            [&["project"], rest].concat()
        }
        _ => steps,
    }
}

impl Pom {
    /// Adds an element's text at the end of the element.
    fn take(&mut self, path: &[String], text: &str) {
        let steps = steps_of(path);
        let target = match steps[..] {
            ["project", "properties", name] => {
                self.properties.insert(name.to_owned(), text.to_owned());
                return;
            }
            ["project", "parent", field @ ("version" | "groupId")] => {
                // The project's own fields come later in the document, or not at all.
                for prefix in ["project.parent", "project"] {
                    self.properties
                        .insert(format!("{prefix}.{field}"), text.to_owned());
                }
                return;
            }
            ["project", field @ ("version" | "groupId" | "artifactId")] => {
                self.properties
                    .insert(format!("project.{field}"), text.to_owned());
                if field == "artifactId" {
                    text.clone_into(&mut self.artifact);
                }
                return;
            }
            ["project", "dependencies", "dependency", field] => self.dependencies.last_mut().zip(Some(field)),
            [
                "project",
                "dependencyManagement",
                "dependencies",
                "dependency",
                field,
            ] => self.managed.last_mut().zip(Some(field)),
            _ => None,
        };
        let field = match target {
            Some((dependency, "groupId")) => &mut dependency.group,
            Some((dependency, "artifactId")) => &mut dependency.artifact,
            Some((dependency, "version")) => &mut dependency.version,
            _ => return,
        };
        text.clone_into(field);
    }
}

#[cfg(test)]
mod tests {
    use super::super::read as read_sbom;
    use super::*;

    #[test]
    fn dependencies_of_profiles_are_dependencies() {
        let text = r#"<project xmlns="http://maven.apache.org/POM/4.0.0"><artifactId>a</artifactId>
            <properties><v>1.5</v></properties>
            <profiles><profile><properties><v>2.0</v></properties>
              <dependencyManagement><dependencies><dependency><groupId>g</groupId><artifactId>c</artifactId><version>3</version></dependency></dependencies></dependencyManagement>
              <dependencies><dependency><groupId>g</groupId><artifactId>b</artifactId><version>${v}</version></dependency>
              <dependency><groupId>g</groupId><artifactId>c</artifactId></dependency></dependencies>
            </profile></profiles></project>"#;
        let inventory = read_sbom(text.as_bytes()).unwrap();
        let found: Vec<_> = inventory
            .components
            .iter()
            .map(|one| (one.name.as_str(), one.version.as_deref()))
            .collect();
        assert_eq!(found, [("g:b", Some("1.5")), ("g:c", None)]);
    }

    const POM: &str = r#"<?xml version="1.0"?>
<project xmlns="http://maven.apache.org/POM/4.0.0">
  <parent><groupId>org.parent</groupId><version>7</version></parent>
  <artifactId>app</artifactId>
  <properties><a.version>${b.version}</a.version><b.version>1.2</b.version></properties>
  <dependencyManagement><dependencies>
    <dependency><groupId>g</groupId><artifactId>managed</artifactId><version>3</version></dependency>
  </dependencies></dependencyManagement>
  <dependencies>
    <dependency><groupId>g</groupId><artifactId>a</artifactId><version>${a.version}</version>
      <exclusions><exclusion><groupId>x</groupId><artifactId>y</artifactId></exclusion></exclusions></dependency>
    <dependency><groupId>g</groupId><artifactId>managed</artifactId></dependency>
    <dependency><groupId>${project.groupId}</groupId><artifactId>sibling</artifactId><version>${project.version}</version></dependency>
    <dependency><groupId>g</groupId><artifactId>elsewhere</artifactId><version>${of.the.parent}</version></dependency>
  </dependencies>
  <build><plugins><plugin><groupId>p</groupId><artifactId>q</artifactId><version>1</version></plugin></plugins></build>
</project>"#;

    #[test]
    fn dependencies_have_the_versions_of_the_document() {
        let inventory = read_sbom(POM.as_bytes()).unwrap();
        assert_eq!(
            (inventory.format, inventory.subject.as_deref()),
            (Format::Pom, Some("app"))
        );
        let purls: Vec<_> = inventory
            .components
            .iter()
            .map(|component| component.purl.as_ref().unwrap().to_string())
            .collect();
        assert_eq!(
            purls,
            [
                "pkg:maven/g/a@1.2",
                "pkg:maven/g/managed@3",
                "pkg:maven/org.parent/sibling@7",
                "pkg:maven/g/elsewhere",
            ]
        );
        assert_eq!(inventory.notes.len(), 1);
        assert_eq!(inventory.components[0].place, Place::line(10));
    }

    #[test]
    fn circular_properties_end() {
        let pom = |properties: &str| {
            format!(
                "<project xmlns=\"http://maven.apache.org/POM/4.0.0\"><properties>{properties}</properties><dependencies><dependency><groupId>g</groupId><artifactId>a</artifactId><version>${{a}}</version></dependency></dependencies></project>"
            )
        };
        let looped = read_sbom(pom("<a>${b}</a><b>${a}</b>").as_bytes()).unwrap();
        assert_eq!(looped.components[0].version, None);
        let grown = read_sbom(pom("<a>${a}${a}${a}</a>").as_bytes()).unwrap();
        assert_eq!(grown.components[0].version, None);
        assert!(read_sbom(b"<project xmlns=\"http://maven.apache.org/POM/4.0.0\"><dependencies>").is_err());
    }
}
