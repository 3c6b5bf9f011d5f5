//! Yarn's and pnpm's lockfiles. Both are read line by line in the form that the tools write: keys at fixed
//! indentation, one scalar per line.

use super::super::Place;
use super::super::collect::{Collector, is_path};

type Failure = (Place, String);

/// Splits `name@range` or `@scope/name@range`; the first `@` of a scope is part of the name.
fn split_spec(spec: &str) -> Option<(&str, &str)> {
    let at = spec.get(1..)?.find('@')? + 1;
    Some((spec.get(..at)?, spec.get(at + 1..)?))
}

/// An entry of Yarn's lockfile.
struct Entry {
    name: String,
    version: String,
    line: usize,
    is_local: bool,
}

/// Adds an entry after all of it was read.
fn close(entry: Option<Entry>, collector: &mut Collector) {
    let Some(entry) = entry.filter(|entry| !entry.version.is_empty()) else {
        return;
    };
    let place = Place::line(entry.line);
    if entry.is_local || entry.version == "0.0.0-use.local" {
        collector.add_local(&entry.name, &entry.version, &place);
    } else {
        collector.add_package("npm", &entry.name, &entry.version, &place);
    }
}

pub(super) fn read_yarn(text: &str, collector: &mut Collector) -> Result<String, Failure> {
    let is_berry = text.lines().any(|line| line.starts_with("__metadata:"));
    let mut open: Option<Entry> = None;
    for (index, line) in text.lines().enumerate() {
        let number = index + 1;
        if line.is_empty() || line.starts_with('#') {
            continue;
        }
        if !line.starts_with(' ') {
            close(open.take(), collector);
            let Some(header) = line.strip_suffix(':') else {
                return Err((
                    Place::line(number),
                    "a line at the margin does not end with ':'".to_owned(),
                ));
            };
            let first = header.split(',').next().unwrap_or("").trim().trim_matches('"');
            let Some((name, range)) = split_spec(first) else {
                continue;
            };
            // An alias: the real package follows `npm:`.
            let aliased = range
                .strip_prefix("npm:")
                .and_then(split_spec)
                .map(|(real, _)| real);
            // One of several ranges may show that it is the project's own.
            let ranges = header
                .split(',')
                .filter_map(|spec| split_spec(spec.trim().trim_matches('"')));
            let is_local = ranges.into_iter().any(|(_, range)| is_path(range));
            open = Some(Entry {
                name: aliased.unwrap_or(name).to_owned(),
                version: String::new(),
                line: number,
                is_local,
            });
            continue;
        }
        let field = line.trim_start();
        let (2, Some(entry)) = (line.len() - field.len(), &mut open) else {
            continue;
        };
        let value_of = |key: &str| {
            let value = field.strip_prefix(key)?;
            let value = value.strip_prefix([' ', ':'])?;
            Some(value.trim().trim_matches('"'))
        };
        if let Some(version) = value_of("version") {
            version.clone_into(&mut entry.version);
        } else if let Some(resolved) = value_of("resolved").or_else(|| value_of("resolution")) {
            // Classic writes its origin, berry `name@range`.
            let range = split_spec(resolved).map_or(resolved, |(_, range)| range);
            entry.is_local |= is_path(resolved) || is_path(range);
        }
    }
    close(open, collector);
    Ok(if is_berry { "berry" } else { "1" }.to_owned())
}

fn is_name(name: &str) -> bool {
    name.strip_prefix('@')
        .map_or(!name.contains(['/', ':']), |scoped| {
            scoped.matches('/').count() == 1
        })
}

/// Returns true for `name@file:…` and similar forms of version 9.
fn found_in_project(path: &str) -> bool {
    split_spec(path).is_some_and(|(_, range)| is_path(range))
}

pub(super) fn read_pnpm(text: &str, collector: &mut Collector) -> Result<String, Failure> {
    let mut lock_version = String::new();
    let mut in_packages = false;
    for (index, line) in text.lines().enumerate() {
        if let Some(version) = line.strip_prefix("lockfileVersion:") {
            version
                .trim()
                .trim_matches(['\'', '"'])
                .clone_into(&mut lock_version);
        }
        if !line.starts_with(' ') && !line.trim().is_empty() {
            in_packages = line.trim_end() == "packages:";
            continue;
        }
        let key = line
            .strip_prefix("  ")
            .filter(|rest| in_packages && !rest.starts_with(' '));
        // An entry without further data is one line: `name@1.0.0: {}`.
        let key = key.and_then(|key| {
            let key = key.trim_end();
            // A long key is written like this, with its colon on the next line.
            if let Some(key) = key.strip_prefix("? ") {
                return Some(key);
            }
            key.strip_suffix(':')
                .or_else(|| key.split_once(": ").map(|(key, _)| key))
        });
        let Some(key) = key else { continue };
        let key = key.trim_matches(['\'', '"']);
        // Peers follow in brackets (6 and later) or after `_` (5); neither is part of the version.
        let key = key.split_once('(').map_or(key, |(head, _)| head);
        let place = Place::line(index + 1);
        let path = key.strip_prefix('/').unwrap_or(key);
        let found = if is_path(path) {
            None
        } else if lock_version.starts_with('5') {
            // `/name/1.0.0_peer@2`; a name may also contain a `_`.
            path.rsplit_once('/')
                .map(|(name, version)| (name, version.split('_').next().unwrap_or(version)))
        } else {
            // `/name@1.0.0` or `name@1.0.0`
            split_spec(path)
        };
        match found {
            // A name has a scope or none; a longer path is an address.
            Some((name, version)) if !version.contains(['/', ':']) && is_name(name) => {
                collector.add_package("npm", name, version, &place);
            }
            _ if is_path(path) || found_in_project(path) => collector.add_local(path, "", &place),
            _ => collector.add_foreign(path, "", &place),
        }
    }
    Ok(lock_version)
}
