//! Lockfiles in JSON: npm, Pipenv, Composer, NuGet.

use std::collections::BTreeMap;

use serde::Deserialize;

use super::super::collect::{Collector, Found};
use super::super::place::read_json;
use super::super::{ComponentKind, Place};
use crate::lenient::{Text, or_default};

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
}

#[derive(Deserialize)]
struct NpmDependency {
    #[serde(default, deserialize_with = "or_default")]
    version: Text,
    #[serde(default, deserialize_with = "or_default")]
    dependencies: BTreeMap<String, NpmDependency>,
}

pub(super) fn read_npm(text: &str, collector: &mut Collector) -> Result<String, Failure> {
    let lock: NpmLock = read_json(text.as_bytes())?;
    // Version 2 writes both; `packages` is the newer and says more.
    if lock.packages.is_empty() {
        npm_tree(
            &lock.dependencies,
            &Place::root().child("dependencies"),
            collector,
        );
    }
    for (path, package) in &lock.packages {
        let place = Place::root().child("packages").child(path);
        // Only what lies in node_modules was installed; the rest is the project's own.
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
        collector.add_package("npm", name, &package.version.0, &place);
    }
    Ok(lock.version.0)
}

/// Depth is bounded by the JSON reader.
fn npm_tree(list: &BTreeMap<String, NpmDependency>, place: &Place, collector: &mut Collector) {
    for (name, dependency) in list {
        let place = place.child(name);
        let version = dependency.version.0.as_str();
        match version
            .strip_prefix("npm:")
            .and_then(|alias| alias.rsplit_once('@'))
        {
            Some((name, version)) => collector.add_package("npm", name, version, &place),
            None if version.contains(':') || version.contains('/') => {
                let kind = ComponentKind::Other;
                collector.add(Found {
                    name,
                    version,
                    purls: Vec::new(),
                    kind,
                    place: &place,
                });
            }
            None => collector.add_package("npm", name, version, &place),
        }
        npm_tree(&dependency.dependencies, &place.child("dependencies"), collector);
    }
}

#[derive(Deserialize)]
struct PipfileLock {
    #[serde(default, deserialize_with = "or_default")]
    default: BTreeMap<String, Pinned>,
    #[serde(default, deserialize_with = "or_default")]
    develop: BTreeMap<String, Pinned>,
}

#[derive(Deserialize)]
struct Pinned {
    #[serde(default, deserialize_with = "or_default")]
    version: Text,
}

pub(super) fn read_pipfile(text: &str, collector: &mut Collector) -> Result<String, Failure> {
    let lock: PipfileLock = read_json(text.as_bytes())?;
    for (section, list) in [("default", &lock.default), ("develop", &lock.develop)] {
        for (name, pinned) in list {
            let place = Place::root().child(section).child(name);
            collector.add_package("pypi", name, pinned.version.0.trim_start_matches('='), &place);
        }
    }
    Ok(String::new())
}

#[derive(Deserialize)]
struct ComposerLock {
    #[serde(default, deserialize_with = "or_default")]
    packages: Vec<ComposerPackage>,
    #[serde(rename = "packages-dev", default, deserialize_with = "or_default")]
    packages_dev: Vec<ComposerPackage>,
}

#[derive(Deserialize)]
struct ComposerPackage {
    #[serde(default, deserialize_with = "or_default")]
    name: Text,
    #[serde(default, deserialize_with = "or_default")]
    version: Text,
}

pub(super) fn read_composer(text: &str, collector: &mut Collector) -> Result<String, Failure> {
    let lock: ComposerLock = read_json(text.as_bytes())?;
    for (section, list) in [("packages", &lock.packages), ("packages-dev", &lock.packages_dev)] {
        for (i, package) in list.iter().enumerate() {
            let place = Place::root().child(section).child(i);
            collector.add_package("composer", &package.name.0, &package.version.0, &place);
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
        for (name, package) in list.iter().filter(|(_, package)| package.kind.0 != "Project") {
            let place = Place::root().child("dependencies").child(framework).child(name);
            collector.add_package("nuget", name, &package.resolved.0, &place);
        }
    }
    Ok(lock.version.0)
}
