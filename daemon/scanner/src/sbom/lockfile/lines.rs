//! Lockfiles that are read line by line: pip, Go, Bundler, Gradle, Mix, Pub, CocoaPods.

use std::cmp::Ordering;
use std::collections::{BTreeMap, BTreeSet};

use super::super::Place;
use super::super::collect::{Collector, is_path};
use crate::version::{Scheme, Version};

type Failure = (Place, String);

/// Returns lines with their numbers, without comments.
fn lines<'a>(text: &'a str, comment: &'a str) -> impl Iterator<Item = (usize, &'a str)> {
    text.lines().enumerate().map(move |(index, line)| {
        let line = line.split_once(comment).map_or(line, |(head, _)| head);
        (index + 1, line.trim_end())
    })
}

pub(super) fn read_requirements(text: &str, collector: &mut Collector) -> Result<String, Failure> {
    for (number, line) in text.lines().enumerate().map(|(index, line)| (index + 1, line)) {
        let line = without_comment(line);
        let place = Place::line(number);
        // A short option may be followed directly by its value.
        let long = ["--requirement", "--constraint"]
            .iter()
            .find_map(|option| line.strip_prefix(option)?.strip_prefix([' ', '\t', '=']));
        let short = || ["-r", "-c"].iter().find_map(|option| line.strip_prefix(option));
        if let Some(file) = long.or_else(short) {
            let file: String = file.trim_start_matches('=').trim().chars().take(200).collect();
            collector.note(&place, format!("it names the file {file:?}, which was not read"));
            // Constraints add nothing that is not required elsewhere.
            if line.starts_with("-r") || line.starts_with("--r") {
                collector.add_foreign(line, "", &place);
            }
            continue;
        }
        // Markers, hashes and continuations follow the requirement; a URL may contain the same characters.
        let line = line.split(" ;").next().unwrap_or("");
        let line = line.split([';', '\\']).next().unwrap_or("");
        let line = line.split(" --").next().unwrap_or("").trim();
        let editable = ["-e", "--editable"]
            .iter()
            .find_map(|option| line.strip_prefix(option)?.strip_prefix([' ', '=']));
        let line = editable.unwrap_or(line).trim();
        if line.is_empty() || line.starts_with('-') {
            continue;
        }
        if is_location(line) || (editable.is_some() && !line.contains('@')) {
            let text = "a requirement by its location names no release of a registry";
            collector.note(&place, text);
            if is_path(line) || !line.contains("://") {
                collector.add_local(line, "", &place);
            } else {
                collector.add_foreign(line, "", &place);
            }
            continue;
        }
        let end = line
            .find(|c: char| !(c.is_ascii_alphanumeric() || "-_.".contains(c)))
            .unwrap_or(line.len());
        let (name, rest) = line.split_at(end);
        // Extras are in brackets after the name.
        let rest = rest.trim_start();
        let rest = rest
            .strip_prefix('[')
            .and_then(|r| r.split_once(']'))
            .map_or(rest, |(_, after)| after)
            .trim();
        if rest.strip_prefix('@').is_some_and(is_path) {
            collector.add_local(name, "", &place);
            continue;
        }
        if rest.starts_with('@') {
            // The name is known, but the release is not.
            collector.add_package("pypi", name, "", &place);
            continue;
        }
        // One of several clauses may pin the version.
        let clauses = rest
            .trim_start_matches('(')
            .trim_end_matches(')')
            .split(',')
            .map(str::trim);
        let mut pins =
            clauses.filter_map(|clause| clause.strip_prefix("===").or_else(|| clause.strip_prefix("==")));
        let version = pins
            .next()
            .map(str::trim)
            .filter(|version| !version.contains('*'));
        collector.add_package("pypi", name, version.unwrap_or(""), &place);
    }
    Ok(String::new())
}

/// Returns the line without its comment: pip only accepts `#` at the beginning and after white space, not within a URL.
pub(in super::super) fn without_comment(line: &str) -> &str {
    let line = line.trim();
    if line.starts_with('#') {
        return "";
    }
    let end = line.find(" #").or_else(|| line.find("\t#")).unwrap_or(line.len());
    line.get(..end).unwrap_or(line).trim_end()
}

/// Returns true if a requirement is a URL or a path, without a name before it.
pub(in super::super) fn is_location(line: &str) -> bool {
    let scheme = line.split_once("://").map(|(scheme, _)| scheme);
    scheme.is_some_and(|scheme| {
        scheme
            .chars()
            .all(|c| c.is_ascii_alphanumeric() || "+-.".contains(c))
    }) || line.starts_with(['.', '/'])
}

pub(super) fn read_go_mod(text: &str, collector: &mut Collector) -> Result<String, Failure> {
    let mut block = String::new();
    let mut required: Vec<(usize, String, String)> = Vec::new();
    let mut replaced: Vec<(String, Option<String>, String, String)> = Vec::new();
    let mut go_version = String::new();
    for (number, line) in lines(text, "//") {
        let line = line.trim();
        let (directive, rest) = match (block.as_str(), line.split_once(char::is_whitespace)) {
            ("", Some((directive, "("))) => {
                directive.clone_into(&mut block);
                continue;
            }
            ("", Some((directive, rest))) => (directive, rest.trim()),
            (_, _) if line == ")" => {
                block.clear();
                continue;
            }
            ("", None) => continue,
            (open, _) => (open, line),
        };
        let fields: Vec<&str> = rest
            .split_whitespace()
            .map(|f| f.trim_matches(['"', '`']))
            .collect();
        match (directive, &fields[..]) {
            ("require", [module, version]) => {
                required.push((number, (*module).to_owned(), (*version).to_owned()));
            }
            ("replace", [old, "=>", new, version]) => {
                replaced.push(((*old).to_owned(), None, (*new).to_owned(), (*version).to_owned()));
            }
            ("replace", [old, of, "=>", new, version]) => {
                let of = Some((*of).to_owned());
                replaced.push(((*old).to_owned(), of, (*new).to_owned(), (*version).to_owned()));
            }
            // A folder has no version.
            ("replace", [old, "=>", folder]) if is_path(folder) => {
                replaced.push(((*old).to_owned(), None, (*folder).to_owned(), String::new()));
            }
            ("replace", [old, of, "=>", folder]) if is_path(folder) => {
                let of = Some((*of).to_owned());
                replaced.push(((*old).to_owned(), of, (*folder).to_owned(), String::new()));
            }
            // The toolchain's version is also the version of the linked standard library.
            ("toolchain", [toolchain]) => {
                if let Some(version) = toolchain.strip_prefix("go") {
                    collector.add_package("golang", "stdlib", version, &Place::line(number));
                }
            }
            ("go", [version]) => (*version).clone_into(&mut go_version),
            _ => {}
        }
    }
    // The first replacement for all versions of a module, or for one version.
    let mut first: BTreeMap<(&str, Option<&str>), usize> = BTreeMap::new();
    for (index, (old, of, ..)) in replaced.iter().enumerate() {
        first.entry((old, of.as_deref())).or_insert(index);
    }
    for (number, module, version) in &required {
        let about = [None, Some(version.as_str())].map(|of| first.get(&(module.as_str(), of)));
        let replacement = about
            .into_iter()
            .flatten()
            .min()
            .and_then(|index| replaced.get(*index))
            .map_or((module, version), |(_, _, new, version)| (new, version));
        let place = Place::line(*number);
        if is_path(replacement.0) {
            collector.add_local(module, version, &place);
        } else {
            collector.add_package("golang", replacement.0, replacement.1, &place);
        }
    }
    Ok(go_version)
}

/// Keeps the newest version of each module: a build uses the newest requested version, and sums of older ones stay in
/// the file until it is tidied.
pub(super) fn read_go_sum(text: &str, collector: &mut Collector) -> Result<String, Failure> {
    let mut newest: BTreeMap<&str, (Version, &str, usize)> = BTreeMap::new();
    for (number, line) in text.lines().enumerate().map(|(i, line)| (i + 1, line)) {
        let fields: Vec<&str> = line.split_whitespace().collect();
        match fields[..] {
            [] => {}
            // Only the module's go.mod file was read, not the module itself.
            [_, version, _] if version.ends_with("/go.mod") => {}
            [module, text, _] => {
                let Ok(version) = Version::parse(Scheme::SemVer, text) else {
                    collector.add_package("golang", module, text, &Place::line(number));
                    continue;
                };
                let older = match newest.get(module) {
                    Some((known, ..)) if known.compare(&version) != Some(Ordering::Less) => Some(number),
                    Some((.., line)) => Some(*line),
                    None => None,
                };
                if let Some(line) = older {
                    let text =
                        format!("another sum of {module} is of a newer version; this one was passed over");
                    collector.note(&Place::line(line), text);
                }
                if older != Some(number) {
                    newest.insert(module, (version, text, number));
                }
            }
            _ => {
                return Err((
                    Place::line(number),
                    "a line is not module, version and hash".to_owned(),
                ));
            }
        }
    }
    let mut found: Vec<_> = newest.into_iter().collect();
    found.sort_by_key(|(_, (.., line))| *line);
    for (module, (_, version, line)) in found {
        collector.add_package("golang", module, version, &Place::line(line));
    }
    Ok(String::new())
}

pub(super) fn read_bundler(text: &str, collector: &mut Collector) -> Result<String, Failure> {
    let mut section = "";
    for (index, line) in text.lines().enumerate() {
        if !line.starts_with(' ') {
            section = line.trim();
            continue;
        }
        // PATH gems are the project's own. Six or more spaces are requirements of the gem above.
        let spec = line.strip_prefix("    ").filter(|rest| !rest.starts_with(' '));
        let (Some(spec), "GEM" | "GIT" | "PLUGIN SOURCE") = (spec, section) else {
            continue;
        };
        let Some((name, version)) = spec
            .split_once(" (")
            .and_then(|(n, v)| Some((n, v.strip_suffix(')')?)))
        else {
            continue;
        };
        // A platform follows the version: `1.15.4-x86_64-linux`.
        let version = version.split_once('-').map_or(version, |(version, _)| version);
        collector.add_package("gem", name, version, &Place::line(index + 1));
    }
    Ok(String::new())
}

pub(super) fn read_gradle(text: &str, collector: &mut Collector) -> Result<String, Failure> {
    for (number, line) in lines(text, "#") {
        // Files of single configurations, from older releases, only have the coordinates.
        let coordinates = line.split('=').next().unwrap_or_default().trim();
        if coordinates.is_empty() {
            continue;
        }
        let parts: Vec<&str> = coordinates.split(':').collect();
        match parts[..] {
            [group, artifact, version] => {
                collector.add_package(
                    "maven",
                    &format!("{group}:{artifact}"),
                    version,
                    &Place::line(number),
                );
            }
            // `empty=` lists configurations without dependencies.
            ["empty"] => {}
            _ => {
                return Err((
                    Place::line(number),
                    "a line is not group:artifact:version=…".to_owned(),
                ));
            }
        }
    }
    Ok(String::new())
}

pub(super) fn read_mix(text: &str, collector: &mut Collector) -> Result<String, Failure> {
    for (index, line) in text.lines().enumerate() {
        // "name": {:hex, :package, "1.2.3", …
        let Some((_, tuple)) = line.split_once(": {:hex,") else {
            // "name": {:git, "https://…", "commit", …
            if let Some((name, tuple)) = line.split_once(": {:") {
                let place = Place::line(index + 1);
                let name = name.trim().trim_start_matches("%{").trim().trim_matches('"');
                if tuple.starts_with("path,") {
                    collector.add_local(name, "", &place);
                } else {
                    collector.add_foreign(name, "", &place);
                }
            }
            continue;
        };
        let mut fields = tuple.split(',').map(str::trim);
        if let (Some(package), Some(version)) = (fields.next(), fields.next()) {
            let package = package.trim_start_matches(':').trim_matches('"');
            collector.add_package("hex", package, version.trim_matches('"'), &Place::line(index + 1));
        }
    }
    Ok(String::new())
}

pub(super) fn read_pub(text: &str, collector: &mut Collector) -> Result<String, Failure> {
    let mut in_packages = false;
    let mut open: Option<(String, usize, String)> = None;
    let mut close = |open: &mut Option<(String, usize, String)>, version: &str| {
        if let Some((name, line, source)) = open.take() {
            let place = Place::line(line);
            match source.as_str() {
                "hosted" => collector.add_package("pub", &name, version, &place),
                // A part of the SDK that builds the project.
                "path" | "sdk" => collector.add_local(&name, version, &place),
                _ => collector.add_foreign(&name, version, &place),
            }
        }
    };
    for (index, line) in text.lines().enumerate() {
        let content = line.trim_start();
        match (line.len() - content.len(), content.trim_end()) {
            (_, "") => {}
            (0, key) => in_packages = key == "packages:",
            (2, key) if in_packages => {
                open = key
                    .strip_suffix(':')
                    .map(|name| (name.to_owned(), index + 1, String::new()));
            }
            // Keys are sorted, so the source comes before the version.
            (4, field) => {
                if let (Some(source), Some(package)) = (field.strip_prefix("source: "), &mut open) {
                    source.clone_into(&mut package.2);
                } else if let Some(version) = field.strip_prefix("version: ") {
                    close(&mut open, version.trim_matches('"'));
                }
            }
            _ => {}
        }
    }
    Ok(String::new())
}

/// Pods inside the project, as listed in the section of external sources.
fn local_pods(text: &str) -> BTreeSet<&str> {
    let mut local = BTreeSet::new();
    let (mut in_sources, mut pod) = (false, "");
    for line in text.lines() {
        let content = line.trim();
        match line.len() - line.trim_start().len() {
            0 => in_sources = line.starts_with("EXTERNAL SOURCES:"),
            2 if in_sources => pod = content.trim_end_matches(':').trim_matches('"'),
            _ if in_sources && (content.starts_with(":path:") || content.starts_with(":podspec: \".")) => {
                local.insert(pod.split('/').next().unwrap_or(pod));
            }
            _ => {}
        }
    }
    local
}

pub(super) fn read_pods(text: &str, collector: &mut Collector) -> Result<String, Failure> {
    let mut section = "";
    let mut written_by = "";
    let mut seen: BTreeMap<&str, &str> = BTreeMap::new();
    let local = local_pods(text);
    for (index, line) in text.lines().enumerate() {
        if !line.starts_with(' ') {
            section = line.split(':').next().unwrap_or_default();
            if let Some(version) = line.strip_prefix("COCOAPODS:") {
                written_by = version.trim();
            }
            continue;
        }
        // Two spaces and a dash; four spaces are requirements of the pod above.
        let (Some(pod), "PODS") = (line.strip_prefix("  - "), section) else {
            continue;
        };
        let pod = pod.trim_end().trim_end_matches(':').trim_matches('"');
        let Some((name, version)) = pod
            .split_once(" (")
            .and_then(|(name, version)| Some((name, version.strip_suffix(')')?)))
        else {
            return Err((
                Place::line(index + 1),
                "a pod is not written as name and version".to_owned(),
            ));
        };
        // Parts of one pod are written as `Pod/Part`, with its version.
        let name = name.split('/').next().unwrap_or(name);
        let is_new = seen.insert(name, version) != Some(version);
        if is_new && local.contains(name) {
            collector.add_local(name, version, &Place::line(index + 1));
        } else if is_new {
            collector.add_package("cocoapods", name, version, &Place::line(index + 1));
        }
    }
    Ok(written_by.to_owned())
}
