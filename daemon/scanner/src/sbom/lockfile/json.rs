//! Lockfiles in JSON: npm, Bun, Pipenv, Composer, NuGet, Conan, Swift.

use std::collections::BTreeMap;

use serde::Deserialize;
use serde::de::IgnoredAny;
use serde_json::Value;

use super::super::collect::{Collector, Found, is_path};
use super::super::limited::Limited;
use super::super::place::read_json;
use super::super::{ComponentKind, Place};
use crate::lenient::{AnyText, Text, or_default};
use crate::name::normalise_name;

type Failure = (Place, String);

#[derive(Deserialize)]
struct NpmLock {
    #[serde(rename = "lockfileVersion", default, deserialize_with = "or_default")]
    version: Text,
    #[serde(default, deserialize_with = "or_default")]
    packages: BTreeMap<String, NpmPackage>,
    #[serde(default, deserialize_with = "or_default")]
    dependencies: BTreeMap<String, NpmDependency>,
}

#[derive(Deserialize)]
struct NpmPackage {
    #[serde(default, deserialize_with = "or_default")]
    name: Text,
    #[serde(default, deserialize_with = "or_default")]
    version: Text,
    #[serde(default, deserialize_with = "or_default")]
    link: bool,
    /// The origin of the package.
    #[serde(default, deserialize_with = "or_default")]
    resolved: Loose,
}

#[derive(Deserialize)]
struct NpmDependency {
    #[serde(default, deserialize_with = "or_default")]
    version: Text,
    #[serde(default, deserialize_with = "or_default")]
    dependencies: BTreeMap<String, NpmDependency>,
    #[serde(default, deserialize_with = "or_default")]
    resolved: Loose,
}

pub(super) fn read_npm(text: &str, collector: &mut Collector) -> Result<String, Failure> {
    let lock: NpmLock = read_json(text.as_bytes())?;
    // Version 2 has both; `packages` is newer and has more data.
    if lock.packages.is_empty() {
        npm_tree(
            &lock.dependencies,
            &Place::root().child("dependencies"),
            collector,
        );
    }
    for (path, package) in &lock.packages {
        let place = Place::root().child("packages").child(path);
        // Only packages in node_modules were installed; the rest is the project's own.
        let Some((_, installed)) = path.rsplit_once("node_modules/") else {
            continue;
        };
        if package.link {
            continue;
        }
        let name = if package.name.0.is_empty() {
            installed
        } else {
            &package.name.0
        };
        if package.resolved.is_path() {
            collector.add_local(name, &package.version.0, &place);
        } else {
            collector.add_package("npm", name, &package.version.0, &place);
        }
    }
    Ok(lock.version.0)
}

/// A field that is a text; some tools write other types.
#[derive(Default)]
struct Loose(String);

impl Loose {
    fn is_path(&self) -> bool {
        is_path(&self.0)
    }
}

impl<'de> Deserialize<'de> for Loose {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        AnyText::deserialize(deserializer).map(|text| Self(text.0.into_owned()))
    }
}

/// The JSON reader limits the depth.
fn npm_tree(list: &BTreeMap<String, NpmDependency>, place: &Place, collector: &mut Collector) {
    for (name, dependency) in list {
        let place = place.child(name);
        let version = dependency.version.0.as_str();
        match version
            .strip_prefix("npm:")
            .and_then(|alias| alias.rsplit_once('@'))
        {
            Some((name, version)) => collector.add_package("npm", name, version, &place),
            None if is_path(version) || dependency.resolved.is_path() => {
                collector.add_local(name, version, &place);
            }
            // A repository, or an archive at an address.
            None if version.contains(':') || version.contains('/') => {
                collector.add_foreign(name, version, &place);
            }
            None => collector.add_package("npm", name, version, &place),
        }
        npm_tree(&dependency.dependencies, &place.child("dependencies"), collector);
    }
}

/// Sections have any name, besides `default` and `develop`.
#[derive(Deserialize)]
struct PipfileLock {
    #[serde(rename = "_meta", default)]
    _meta: IgnoredAny,
    #[serde(flatten)]
    sections: BTreeMap<String, Option<BTreeMap<String, Pinned>>>,
}

#[derive(Deserialize)]
struct Pinned {
    #[serde(default, deserialize_with = "or_default")]
    version: Text,
    /// A folder of the project.
    #[serde(default, deserialize_with = "or_default")]
    path: Loose,
    /// A package's file or address.
    #[serde(default, deserialize_with = "or_default")]
    file: Loose,
}

pub(super) fn read_pipfile(text: &str, collector: &mut Collector) -> Result<String, Failure> {
    let lock: PipfileLock = read_json(text.as_bytes())?;
    for (section, list) in &lock.sections {
        for (name, pinned) in list.iter().flatten() {
            let place = Place::root().child(section).child(name);
            let version = pinned.version.0.trim_start_matches('=');
            let is_file = !pinned.file.0.is_empty() && !pinned.file.0.contains("://");
            if !pinned.path.0.is_empty() || is_file || pinned.file.is_path() {
                collector.add_local(name, version, &place);
            } else {
                collector.add_package("pypi", name, version, &place);
            }
        }
    }
    Ok(String::new())
}

#[derive(Deserialize)]
struct ComposerLock {
    #[serde(default, deserialize_with = "or_default")]
    packages: Limited<ComposerPackage>,
    #[serde(rename = "packages-dev", default, deserialize_with = "or_default")]
    packages_dev: Limited<ComposerPackage>,
}

#[derive(Deserialize)]
struct ComposerPackage {
    #[serde(default, deserialize_with = "or_default")]
    name: Text,
    #[serde(default, deserialize_with = "or_default")]
    version: Text,
    #[serde(default, deserialize_with = "or_default")]
    dist: ComposerOrigin,
    #[serde(default, deserialize_with = "or_default")]
    source: ComposerOrigin,
}

/// The origin of a Composer package: an archive, a repository, or a path.
#[derive(Deserialize, Default)]
struct ComposerOrigin {
    #[serde(rename = "type", default, deserialize_with = "or_default")]
    kind: Loose,
}

pub(super) fn read_composer(text: &str, collector: &mut Collector) -> Result<String, Failure> {
    let lock: ComposerLock = read_json(text.as_bytes())?;
    for (section, list) in [("packages", &lock.packages), ("packages-dev", &lock.packages_dev)] {
        for (i, package) in list.iter().enumerate() {
            let place = Place::root().child(section).child(i);
            if package.dist.kind.0 == "path" || package.source.kind.0 == "path" {
                collector.add_local(&package.name.0, &package.version.0, &place);
            } else {
                collector.add_package("composer", &package.name.0, &package.version.0, &place);
            }
        }
    }
    Ok(String::new())
}

#[derive(Deserialize)]
struct NuGetLock {
    #[serde(default, deserialize_with = "or_default")]
    version: Text,
    #[serde(default, deserialize_with = "or_default")]
    dependencies: BTreeMap<String, BTreeMap<String, NuGetPackage>>,
}

#[derive(Deserialize)]
struct NuGetPackage {
    #[serde(rename = "type", default, deserialize_with = "or_default")]
    kind: Text,
    #[serde(default, deserialize_with = "or_default")]
    resolved: Text,
}

pub(super) fn read_nuget(text: &str, collector: &mut Collector) -> Result<String, Failure> {
    let lock: NuGetLock = read_json(text.as_bytes())?;
    for (framework, list) in &lock.dependencies {
        for (name, package) in list
            .iter()
            .filter(|(_, package)| !package.kind.0.eq_ignore_ascii_case("Project"))
        {
            let place = Place::root().child("dependencies").child(framework).child(name);
            collector.add_package("nuget", name, &package.resolved.0, &place);
        }
    }
    Ok(lock.version.0)
}

#[derive(Deserialize)]
struct BunLock {
    #[serde(rename = "lockfileVersion", default, deserialize_with = "or_default")]
    version: Text,
    /// The resolution of each name: `name@version`, then data that depends on its kind.
    #[serde(default, deserialize_with = "or_default")]
    packages: BTreeMap<String, Vec<Value>>,
}

/// Bun writes commas before closing brackets; they are replaced by spaces, so that places stay correct.
pub(in super::super) fn without_trailing_commas(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    // Position of the last comma if only white space follows so far.
    let mut comma: Option<usize> = None;
    let (mut in_text, mut escaped) = (false, false);
    for c in text.chars() {
        if in_text {
            in_text = escaped || c != '"';
            escaped = !escaped && c == '\\';
        } else {
            match c {
                '"' => (in_text, comma) = (true, None),
                ',' => comma = Some(out.len()),
                ']' | '}' => {
                    if let Some(at) = comma.take() {
                        out.replace_range(at..=at, " ");
                    }
                }
                c if c.is_ascii_whitespace() => {}
                _ => comma = None,
            }
        }
        out.push(c);
    }
    out
}

pub(super) fn read_bun(text: &str, collector: &mut Collector) -> Result<String, Failure> {
    let lock: BunLock = read_json(without_trailing_commas(text).as_bytes())?;
    for (key, fields) in &lock.packages {
        let place = Place::root().child("packages").child(key);
        let resolved = fields.first().and_then(Value::as_str).unwrap_or_default();
        // The first `@` may begin a scope.
        let at = resolved.get(1..).and_then(|rest| rest.find('@')).map(|at| at + 1);
        let Some((name, version)) = at.and_then(|at| Some((resolved.get(..at)?, resolved.get(at + 1..)?)))
        else {
            return Err((place, "a package is not written as name@version".to_owned()));
        };
        let version = version.trim_start_matches("npm:");
        if is_path(version) || version.starts_with("root:") {
            collector.add_local(name, "", &place);
        } else if version.contains(':') || version.contains('/') {
            collector.add_foreign(name, version, &place);
        } else {
            collector.add_package("npm", name, version, &place);
        }
    }
    Ok(lock.version.0)
}

#[derive(Deserialize)]
struct ConanLock {
    #[serde(default, deserialize_with = "or_default")]
    version: Text,
    #[serde(default, deserialize_with = "or_default")]
    requires: Vec<Text>,
    #[serde(default, deserialize_with = "or_default")]
    build_requires: Vec<Text>,
    #[serde(default, deserialize_with = "or_default")]
    python_requires: Vec<Text>,
    #[serde(default, deserialize_with = "or_default")]
    config_requires: Vec<Text>,
    /// Conan 1.
    #[serde(default, deserialize_with = "or_default")]
    graph_lock: ConanGraph,
}

#[derive(Deserialize, Default)]
struct ConanGraph {
    #[serde(default, deserialize_with = "or_default")]
    nodes: BTreeMap<String, ConanNode>,
}

#[derive(Deserialize)]
struct ConanNode {
    #[serde(rename = "ref", default, deserialize_with = "or_default")]
    reference: Text,
}

pub(super) fn read_conan(text: &str, collector: &mut Collector) -> Result<String, Failure> {
    let lock: ConanLock = read_json(text.as_bytes())?;
    let lists = [
        ("requires", &lock.requires),
        ("build_requires", &lock.build_requires),
        ("python_requires", &lock.python_requires),
        ("config_requires", &lock.config_requires),
    ];
    for (key, list) in lists {
        for (i, reference) in list.iter().enumerate() {
            add_conan(&reference.0, &Place::root().child(key).child(i), collector);
        }
    }
    for (key, node) in &lock.graph_lock.nodes {
        let place = Place::root().child("graph_lock").child("nodes").child(key);
        add_conan(&node.reference.0, &place, collector);
    }
    Ok(lock.version.0)
}

/// `name/version@user/channel#revision%time`; the project itself has no name or no version.
fn add_conan(reference: &str, place: &Place, collector: &mut Collector) {
    let bare = reference.split(['#', '%', '@']).next().unwrap_or_default();
    match bare.split_once('/') {
        Some((name, version)) if !name.is_empty() => collector.add_package("conan", name, version, place),
        _ => collector.add_local(bare, "", place),
    }
}

#[derive(Deserialize)]
struct SwiftResolved {
    #[serde(default, deserialize_with = "or_default")]
    version: Text,
    #[serde(default, deserialize_with = "or_default")]
    pins: Vec<SwiftPin>,
    /// Version 1 has the pins inside this object.
    #[serde(default, deserialize_with = "or_default")]
    object: SwiftObject,
}

#[derive(Deserialize, Default)]
struct SwiftObject {
    #[serde(default, deserialize_with = "or_default")]
    pins: Vec<SwiftPin>,
}

#[derive(Deserialize)]
struct SwiftPin {
    #[serde(alias = "repositoryURL", default, deserialize_with = "or_default")]
    location: Text,
    #[serde(default, deserialize_with = "or_default")]
    identity: Text,
    #[serde(default, deserialize_with = "or_default")]
    kind: Loose,
    #[serde(default, deserialize_with = "or_default")]
    state: SwiftState,
}

#[derive(Deserialize, Default)]
struct SwiftState {
    #[serde(default, deserialize_with = "or_default")]
    version: Text,
}

pub(super) fn read_swift(text: &str, collector: &mut Collector) -> Result<String, Failure> {
    let lock: SwiftResolved = read_json(text.as_bytes())?;
    let root = Place::root();
    for (place, pins) in [
        (root.child("pins"), &lock.pins),
        (root.child("object").child("pins"), &lock.object.pins),
    ] {
        for (i, pin) in pins.iter().enumerate() {
            let place = place.child(i);
            if matches!(pin.kind.0.as_str(), "localSourceControl" | "fileSystem") || is_path(&pin.location.0)
            {
                let name = if pin.identity.0.is_empty() {
                    &pin.location.0
                } else {
                    &pin.identity.0
                };
                collector.add_local(name, &pin.state.version.0, &place);
                continue;
            }
            let location = normalise_name(
                "SwiftURL",
                &pin.location.0.replacen("git@", "", 1).replacen(
                    ':',
                    "/",
                    usize::from(pin.location.0.starts_with("git@")),
                ),
            );
            if location.contains('/') {
                // A pin on a branch or a commit has no version.
                collector.add_package("swift", &location, &pin.state.version.0, &place);
            } else {
                // From a registry, whose form is `scope.name`.
                collector.add(Found {
                    name: &pin.identity.0,
                    version: &pin.state.version.0,
                    purls: Vec::new(),
                    cpes: Vec::new(),
                    kind: ComponentKind::Package,
                    place: &place,
                });
            }
        }
    }
    Ok(lock.version.0)
}
