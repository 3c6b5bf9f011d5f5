//! RustSec's advisories: Markdown that begins with a block of TOML. The first ones were files of TOML, of one advisory or
//! of all of them.

#[cfg(test)]
mod algorithm_tests;
#[cfg(test)]
mod tests;
mod versions;

use starling_protocol::json::{Number, Value};
use toml::Value as Toml;

use super::Connector;
use super::draft::{Affected, Draft, Range};
use super::output::Output;
use super::severity;
use super::shape::Shape;
use super::text::{self, quote};
use super::value;
use versions::{FIRST, interval, order};

/// The id of the template that stands beside the advisories.
const TEMPLATE: &str = "RUSTSEC-0000-0000";

/// Reads RustSec's advisories.
pub(crate) struct Rustsec;

impl Connector for Rustsec {
    fn name(&self) -> &'static str {
        "rustsec"
    }

    fn knows(&self, shape: &Shape<'_>) -> bool {
        shape.text().is_some_and(|text| {
            let is_front = text.starts_with("```toml") && text.contains("[advisory]");
            is_front || (is_toml(text) && text.contains("\"RUSTSEC-"))
        })
    }

    fn read(&self, bytes: &[u8], name: &str, out: &mut Output<'_>) {
        let decoded = text::decode(
            crate::osv::strip_byte_order_mark(bytes),
            None,
            encoding_rs::WINDOWS_1252,
        );
        let (front, body) = match parts(&decoded.text) {
            Some(parts) => parts,
            None if is_toml(&decoded.text) => (decoded.text.as_ref(), ""),
            None => {
                return out.reject(
                    "",
                    "expected a block of TOML between ```toml and ```, then Markdown",
                );
            }
        };
        let table = match toml::from_str::<toml::Table>(front) {
            Ok(table) => table,
            Err(error) => return out.reject("", format!("reading TOML: {}", quote(error.message()))),
        };
        let mut read = |pointer: String, table: &toml::Table| match record(table, body, name) {
            Ok(draft) if draft.id == TEMPLATE => out.ignore(pointer, "the template of an advisory"),
            Ok(mut draft) => {
                if let Some(warning) = &decoded.warning {
                    draft.warn(warning.clone());
                }
                out.record(pointer, draft);
            }
            Err(why) => out.reject(pointer, why),
        };
        match table.get("advisory") {
            Some(Toml::Array(all)) => {
                for (index, one) in all.iter().enumerate() {
                    let one = toml::Table::from_iter([("advisory".to_owned(), one.clone())]);
                    read(format!("/advisory/{index}"), &one);
                }
            }
            _ => read(String::new(), &table),
        }
    }
}

/// Returns true for TOML whose first table is of an advisory.
fn is_toml(text: &str) -> bool {
    let lines = text.lines().map(str::trim);
    let mut tables = lines.skip_while(|line| line.is_empty() || line.starts_with('#'));
    tables.next().is_some_and(|line| {
        let table = line.split('#').next().unwrap_or_default().trim_end();
        table == "[advisory]" || table == "[[advisory]]"
    })
}

/// Returns the TOML block, and the text after it.
fn parts(text: &str) -> Option<(&str, &str)> {
    let rest = text.trim_start().strip_prefix("```toml")?;
    let (front, body) = rest.split_once("\n```")?;
    // TOML takes the end of a line with its beginning only.
    let front = front.strip_suffix('\r').unwrap_or(front);
    Some((front, body.trim_start_matches('`').trim()))
}

fn str_in<'t>(table: &'t Toml, key: &str) -> Option<&'t str> {
    table
        .get(key)?
        .as_str()
        .map(str::trim)
        .filter(|text| !text.is_empty())
}

/// Returns the texts of a list, or the only one.
fn list_in<'t>(draft: &mut Draft<'_>, table: &'t Toml, key: &'static str) -> Vec<&'t str> {
    match table.get(key) {
        Some(Toml::String(one)) => vec![one],
        Some(list) => {
            let texts = texts_of(Some(list));
            if list.as_array().is_none_or(|list| list.len() > texts.len()) {
                draft.warn(format!("{key}: expected a list of texts"));
            }
            texts
        }
        None => Vec::new(),
    }
}

/// Returns the texts of a list.
fn texts_of(list: Option<&Toml>) -> Vec<&str> {
    let list = list.and_then(Toml::as_array).into_iter().flatten();
    list.filter_map(Toml::as_str).collect()
}

fn record(table: &toml::Table, body: &str, name: &str) -> Result<Draft<'static>, String> {
    let advisory = table
        .get("advisory")
        .ok_or("the advisory has no table [advisory]")?;
    let id = str_in(advisory, "id").unwrap_or_default();
    // Those about the language have the ids of CVE records.
    if !id.starts_with("RUSTSEC-") && !text::is_cve(id) {
        return Err(format!("not the id of an advisory: \"{}\"", quote(id)));
    }
    let mut draft = Draft::of(id);
    let day = |key: &str| advisory.get(key).map(shown);
    draft.published = draft.time("date", day("date").as_deref());
    draft.modified.clone_from(&draft.published);
    draft.withdrawn = draft.time("withdrawn", day("withdrawn").as_deref());
    // Older advisories say only that they are taken back; the crate's releases are another matter.
    if draft.withdrawn.is_none() && advisory.get("yanked").and_then(Toml::as_bool) == Some(true) {
        let known = draft.published.clone();
        draft.withdrawn = known.or_else(|| Some("1970-01-01T00:00:00Z".to_owned()));
        draft.warn("the advisory is taken back without a time");
    }
    describe(&mut draft, advisory, body);
    let package = str_in(advisory, "package").ok_or("the advisory names no package")?;
    let versions = table.get("versions");
    let mut requirements = |key: &str, old: &str| {
        // Advisories of the first formats have the lists beside the id.
        let list = versions
            .and_then(|versions| versions.get(key))
            .or_else(|| advisory.get(old));
        if list.is_some_and(|list| list.as_array().is_none_or(|list| !list.iter().all(Toml::is_str))) {
            draft.warn(format!("{key}: expected a list of requirements"));
        }
        texts_of(list)
    };
    let patched = requirements("patched", "patched_versions");
    let unaffected = requirements("unaffected", "unaffected_versions");
    if is_of_language(advisory, id, package, name) {
        draft.warn(format!("{} is not a crate, and has no entry", quote(package)));
    } else {
        let mut entry = Affected::of("crates.io", package);
        entry.purl = Some(format!("pkg:cargo/{package}"));
        entry.ranges.push(range(&mut draft, &patched, &unaffected));
        if let Some(informational) = str_in(advisory, "informational") {
            entry
                .specific
                .push(("informational", value::text(informational.to_owned())));
        }
        let categories = texts_of(advisory.get("categories"));
        if !categories.is_empty() {
            let categories = categories.into_iter().map(str::to_owned);
            entry.specific.push(("categories", value::texts(categories)));
        }
        if let Some(affected) = table.get("affected") {
            entry.ecosystem_specific.push(("affects", affects(affected)));
        }
        draft.affected.push(entry);
    }
    for (name, part) in table {
        draft.keep(name.clone(), to_value(part));
    }
    Ok(draft)
}

/// The parts of the language: there are crates with some of these names, too.
const PARTS: [&str; 9] = [
    "alloc",
    "cargo",
    "clippy",
    "core",
    "proc_macro",
    "rustc",
    "rustdoc",
    "rustfmt",
    "std",
];

/// Returns true for an advisory about the language or its tools: by its collection, or the folder that stands for it, or
/// its id.
fn is_of_language(advisory: &Toml, id: &str, package: &str, name: &str) -> bool {
    let folder = format!("rust/{package}/");
    let is_in_folder = name.starts_with(&folder) || name.contains(&format!("/{folder}"));
    let collection = str_in(advisory, "collection");
    let is_by_folder = is_in_folder && PARTS.contains(&package);
    collection.map_or(is_by_folder, |collection| collection != "crates") || text::is_cve(id)
}

/// Returns what is affected in the form of the database's records: functions without their versions.
fn affects(affected: &Toml) -> Value<'static> {
    let list = |key: &str| affected.get(key).map_or(Value::Array(Vec::new()), to_value);
    let functions = match affected.get("functions") {
        Some(Toml::Table(functions)) => value::texts(functions.keys().cloned()),
        _ => list("functions"),
    };
    value::object([
        ("arch", list("arch")),
        ("functions", functions),
        ("os", list("os")),
    ])
}

/// Adds texts, other names, links and the rating.
fn describe(draft: &mut Draft<'_>, advisory: &Toml, body: &str) {
    let (title, details) = match body.strip_prefix("# ") {
        Some(rest) => rest.split_once('\n').unwrap_or((rest, "")),
        None => (str_in(advisory, "title").unwrap_or_default(), body),
    };
    let details = Some(details.trim()).filter(|details| !details.is_empty());
    draft.summary = Some(title.trim().to_owned()).filter(|title| !title.is_empty());
    draft.details = details
        .or_else(|| str_in(advisory, "description"))
        .map(str::to_owned);
    let mut aliases = list_in(draft, advisory, "aliases");
    // The first advisories have ids of the authority that assigned them in a list of their own.
    aliases.extend(list_in(draft, advisory, "dwf"));
    draft.named(&aliases);
    for related in list_in(draft, advisory, "related") {
        draft.relate(related);
    }
    let page = format!("https://rustsec.org/advisories/{}.html", draft.id);
    draft.link("ADVISORY", &page);
    draft.link("WEB", str_in(advisory, "url").unwrap_or_default());
    for url in list_in(draft, advisory, "references") {
        draft.link("WEB", url);
    }
    if let Some(cvss) = advisory.get("cvss") {
        match cvss.as_str().and_then(|vector| severity::vector_of(vector, "")) {
            Some(severity) => draft.rate(severity),
            None => draft.warn(format!("not a CVSS vector: \"{}\"", quote(&shown(cvss)))),
        }
    }
}

/// Returns a value as text, without the quotes of a text.
fn shown(value: &Toml) -> String {
    value.as_str().map_or_else(|| value.to_string(), str::to_owned)
}

/// Returns the ranges of versions that are neither patched nor unaffected.
fn range(draft: &mut Draft<'_>, patched: &[&str], unaffected: &[&str]) -> Range {
    let mut safe: Vec<(String, Option<String>)> = Vec::new();
    for requirement in patched.iter().chain(unaffected) {
        match interval(requirement) {
            Some(interval) => safe.push(interval),
            None => draft.warn(format!(
                "the requirement \"{}\" is not understood",
                quote(requirement)
            )),
        }
    }
    safe.sort_by_key(|(start, _)| order(start));
    let mut range = Range {
        kind: "SEMVER",
        repo: None,
        events: Vec::new(),
    };
    // Start of the next affected versions; `None` after the last safe interval.
    let mut at: Option<String> = Some(FIRST.to_owned());
    for (start, end) in safe {
        let Some(begin) = at.clone() else { break };
        if order(&start) > order(&begin) {
            range = range.and("introduced", begin).and("fixed", start);
            at = end;
        } else {
            at = match end {
                Some(end) if order(&end) > order(&begin) => Some(end),
                Some(_) => Some(begin),
                None => None,
            };
        }
    }
    match at {
        Some(begin) => range.and("introduced", begin),
        None => range,
    }
}

/// Converts a TOML value to JSON.
fn to_value(toml: &Toml) -> Value<'static> {
    match toml {
        Toml::String(text) => value::text(text.clone()),
        Toml::Integer(number) => Number::parse(&number.to_string())
            .map_or(Value::Null, |number| Value::Number(number.into_owned())),
        Toml::Float(number) => Number::from_f64(*number).map_or(Value::Null, Value::Number),
        Toml::Boolean(truth) => Value::Bool(*truth),
        Toml::Datetime(time) => value::text(time.to_string()),
        Toml::Array(items) => Value::Array(items.iter().map(to_value).collect()),
        Toml::Table(table) => value::object(table.iter().map(|(key, value)| (key.clone(), to_value(value)))),
    }
}
