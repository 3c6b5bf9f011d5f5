//! Yarn's and pnpm's lockfiles. Both are read line by line in the one shape that the tools write:
//! keys at fixed indentation, one scalar a line.

use super::super::Place;
use super::super::collect::Collector;

type Failure = (Place, String);

/// `name@range` or `@scope/name@range`; the first `@` of a scope is part of the name.
fn split_spec(spec: &str) -> Option<(&str, &str)> {
    let at = spec.get(1..)?.find('@')? + 1;
    Some((spec.get(..at)?, spec.get(at + 1..)?))
}

pub(super) fn read_yarn(text: &str, collector: &mut Collector) -> Result<String, Failure> {
    let is_berry = text.lines().any(|line| line.starts_with("__metadata:"));
    let mut open: Option<(String, usize)> = None;
    for (index, line) in text.lines().enumerate() {
        let number = index + 1;
        if line.is_empty() || line.starts_with('#') {
            continue;
        }
        if !line.starts_with(' ') {
            open = None;
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
            // An alias: the package that is really there stands behind `npm:`.
            let aliased = range
                .strip_prefix("npm:")
                .and_then(split_spec)
                .map(|(real, _)| real);
            let is_local = ["workspace:", "link:", "portal:", "file:"]
                .iter()
                .any(|p| range.starts_with(p));
            if !is_local {
                open = Some((aliased.unwrap_or(name).to_owned(), number));
            }
            continue;
        }
        let field = line.trim_start();
        let version = field
            .strip_prefix("version ")
            .or_else(|| field.strip_prefix("version: "));
        if let (2, Some(version)) = (line.len() - field.len(), version)
            && let Some((name, header_line)) = open.take()
        {
            let version = version.trim().trim_matches('"');
            collector.add_package("npm", &name, version, &Place::line(header_line));
        }
    }
    Ok(if is_berry { "berry" } else { "1" }.to_owned())
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
        let Some(key) = key.and_then(|key| key.trim_end().strip_suffix(':')) else {
            continue;
        };
        let key = key.trim_matches(['\'', '"']);
        // Peers follow in brackets (6 and later) or after `_` (5); neither is part of the version.
        let key = key.split_once('(').map_or(key, |(head, _)| head);
        let place = Place::line(index + 1);
        let path = key.strip_prefix('/').unwrap_or(key);
        let found = if lock_version.starts_with('5') {
            // `/name/1.0.0_peer@2`; a name may hold a `_` too.
            path.rsplit_once('/')
                .map(|(name, version)| (name, version.split('_').next().unwrap_or(version)))
        } else {
            // `/name@1.0.0` or `name@1.0.0`
            split_spec(path)
        };
        match found {
            Some((name, version)) if !version.contains(['/', ':']) => {
                collector.add_package("npm", name, version, &place);
            }
            _ => collector.note(&place, "the package comes from no registry and was skipped"),
        }
    }
    Ok(lock_version)
}
