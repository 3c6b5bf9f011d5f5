//! Lockfiles in TOML, all with `[[package]]` tables: Cargo's, and Python's poetry, uv and pdm.

use serde::Deserialize;
use serde::de::{DeserializeOwned, IgnoredAny};

use super::super::Place;
use super::super::collect::{Collector, is_path};

type Failure = (Place, String);

fn parse<T: DeserializeOwned>(text: &str) -> Result<T, Failure> {
    ::toml::from_str(text).map_err(|error| {
        let before = error.span().and_then(|span| text.get(..span.start)).unwrap_or("");
        let line = before.bytes().filter(|b| *b == b'\n').count() + 1;
        let column = before.len() - before.rfind('\n').map_or(0, |at| at + 1) + 1;
        (Place::Line { line, column }, error.message().to_owned())
    })
}

/// Returns true if the text looks like one of Python's lockfiles and not Cargo's.
pub(in super::super) fn is_python(text: &str) -> bool {
    const KEYS: [&str; 5] = [
        "requires-python",
        "python-versions",
        "content-hash",
        "content_hash",
        "requires_python",
    ];
    text.lines()
        .any(|line| KEYS.iter().any(|key| line.starts_with(key)))
}

#[derive(Deserialize)]
struct CargoLock {
    version: Option<i64>,
    #[serde(default)]
    package: Vec<CargoPackage>,
}

#[derive(Deserialize)]
struct CargoPackage {
    name: String,
    version: String,
    /// Its origin; missing for workspace members and path dependencies.
    source: Option<String>,
}

pub(super) fn read_cargo(text: &str, collector: &mut Collector) -> Result<String, Failure> {
    let lock: CargoLock = parse(text)?;
    let root = Place::root().child("package");
    for (i, package) in lock.package.iter().enumerate() {
        let place = root.child(i);
        if package.source.as_deref().is_some_and(|source| !is_path(source)) {
            collector.add_package("cargo", &package.name, &package.version, &place);
        } else {
            collector.add_local(&package.name, &package.version, &place);
        }
    }
    // Versions 1 and 2 do not state their version.
    Ok(lock
        .version
        .map_or_else(String::new, |version| version.to_string()))
}

#[derive(Deserialize)]
struct PythonLock {
    version: Option<i64>,
    metadata: Option<PythonMetadata>,
    #[serde(default)]
    package: Vec<PythonPackage>,
}

#[derive(Deserialize)]
struct PythonMetadata {
    #[serde(rename = "lock-version", alias = "lock_version")]
    lock_version: Option<String>,
}

#[derive(Deserialize)]
struct PythonPackage {
    name: String,
    /// Missing in uv if the project computes it.
    #[serde(default)]
    version: String,
    #[serde(default)]
    source: PythonSource,
    /// pdm's field for a package inside the project.
    path: Option<IgnoredAny>,
}

/// uv lists the project itself and its local parts as packages, with one of these keys; Poetry states the type.
#[derive(Deserialize, Default)]
#[serde(default)]
struct PythonSource {
    editable: Option<IgnoredAny>,
    r#virtual: Option<IgnoredAny>,
    directory: Option<IgnoredAny>,
    path: Option<IgnoredAny>,
    workspace: Option<IgnoredAny>,
    r#type: Option<String>,
}

impl PythonSource {
    fn is_local(&self) -> bool {
        let keys = [
            &self.editable,
            &self.r#virtual,
            &self.directory,
            &self.path,
            &self.workspace,
        ];
        keys.into_iter().any(Option::is_some) || matches!(self.r#type.as_deref(), Some("directory" | "file"))
    }
}

pub(super) fn read_python(text: &str, collector: &mut Collector) -> Result<String, Failure> {
    let lock: PythonLock = parse(text)?;
    let root = Place::root().child("package");
    for (i, package) in lock.package.iter().enumerate() {
        let place = root.child(i);
        if package.source.is_local() || package.path.is_some() {
            collector.add_local(&package.name, &package.version, &place);
        } else {
            collector.add_package("pypi", &package.name, &package.version, &place);
        }
    }
    let stated = lock.metadata.and_then(|metadata| metadata.lock_version);
    Ok(stated
        .or_else(|| lock.version.map(|version| version.to_string()))
        .unwrap_or_default())
}

#[derive(Deserialize)]
struct PyLock {
    #[serde(rename = "lock-version")]
    lock_version: String,
    #[serde(default)]
    packages: Vec<PyLockPackage>,
}

#[derive(Deserialize)]
struct PyLockPackage {
    name: String,
    /// Missing if the source computes it.
    #[serde(default)]
    version: String,
    directory: Option<IgnoredAny>,
    #[serde(default)]
    archive: PyLockOrigin,
    #[serde(default)]
    vcs: PyLockOrigin,
}

/// The place of an archive or a repository: an address, or a path.
#[derive(Deserialize, Default)]
#[serde(default)]
struct PyLockOrigin {
    url: Option<IgnoredAny>,
    path: Option<IgnoredAny>,
}

impl PyLockOrigin {
    fn is_local(&self) -> bool {
        self.path.is_some() && self.url.is_none()
    }
}

/// `pylock.toml` (PEP 751), a format for every installer.
pub(super) fn read_pylock(text: &str, collector: &mut Collector) -> Result<String, Failure> {
    let lock: PyLock = parse(text)?;
    let root = Place::root().child("packages");
    for (i, package) in lock.packages.iter().enumerate() {
        let place = root.child(i);
        if package.directory.is_some() || package.archive.is_local() || package.vcs.is_local() {
            collector.add_local(&package.name, &package.version, &place);
        } else {
            collector.add_package("pypi", &package.name, &package.version, &place);
        }
    }
    Ok(lock.lock_version)
}
