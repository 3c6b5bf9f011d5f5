//! BDU, Russia's database: its XML export.

#[cfg(test)]
mod tests;

use super::Connector;
use super::draft::Draft;
use super::output::Output;
use super::severity;
use super::shape::Shape;
use super::text::{self, quote};
use super::typed;
use super::value;
use super::xml::{Dialect, Element};

/// Reads the export of BDU.
pub(crate) struct Bdu;

/// The export is not always well-formed, and is also distributed in windows-1251.
const DIALECT: Dialect = Dialect {
    fallback: encoding_rs::WINDOWS_1251,
    known: &[
        "vul",
        "identifier",
        "name",
        "description",
        "vulnerable_software",
        "soft",
        "vendor",
        "version",
        "platform",
        "types",
        "type",
        "environment",
        "os",
        "cwes",
        "cwe",
        "identify_date",
        "publication_date",
        "last_upd_date",
        "cvss",
        "cvss3",
        "cvss4",
        "vector",
        "severity",
        "solution",
        "vul_status",
        "exploit_status",
        "fix_status",
        "sources",
        "identifiers",
        "other",
        "vul_class",
        "vul_state",
        "vul_incident",
        "vul_elimination",
        "vul_exploitation",
    ],
};

impl Connector for Bdu {
    fn name(&self) -> &'static str {
        "bdu"
    }

    fn knows(&self, shape: &Shape<'_>) -> bool {
        shape.is_xml("vulnerabilities") && shape.xml_holds("BDU:")
    }

    fn read(&self, bytes: &[u8], _: &str, out: &mut Output<'_>) {
        out.xml_records(bytes, &["vul"], &DIALECT, &mut vulnerability);
    }
}

/// Returns the level of a sentence such as "Критический уровень опасности (…)"; the highest of several lines.
fn word(sentence: &str) -> Option<&'static str> {
    let sentence = sentence.to_lowercase();
    let words = [
        ("критическ", "CRITICAL"),
        ("высок", "HIGH"),
        ("средн", "MEDIUM"),
        ("низк", "LOW"),
        ("нет опасности", "NONE"),
    ];
    words
        .iter()
        .find(|(stem, _)| sentence.contains(stem))
        .map(|(_, word)| *word)
}

fn vulnerability(out: &mut Output<'_>, pointer: String, element: Element, warnings: Vec<String>) {
    let id = element.text_of("identifier").unwrap_or_default();
    let is_id = id
        .strip_prefix("BDU:")
        .is_some_and(|rest| rest.bytes().all(|byte| byte.is_ascii_digit() || byte == b'-'));
    if !is_id {
        return out.reject(
            pointer,
            format!("not the identifier of an entry: \"{}\"", quote(id)),
        );
    }
    let mut draft = Draft::of(id);
    for warning in warnings {
        draft.warn(warning);
    }
    draft.summary = element.text_of("name").map(str::to_owned);
    draft.details = element.text_of("description").map(str::to_owned);
    let day = element
        .text_of("publication_date")
        .or_else(|| element.text_of("identify_date"));
    draft.published = draft.time("publication_date", day);
    draft.modified = draft
        .time("last_upd_date", element.text_of("last_upd_date"))
        .or_else(|| draft.published.clone());
    rate(&mut draft, &element);
    identify(&mut draft, &element);
    let cwes = element.items("cwes", "cwe").chain(element.all("cwe"));
    let ids = cwes.filter_map(|cwe| cwe.text_of("identifier"));
    let cwes = text::distinct(ids.filter(|cwe| cwe.starts_with("CWE-")));
    if !cwes.is_empty() {
        draft.specific.push(("cwe_ids", value::texts(cwes)));
    }
    for url in typed::links(element.text_of("sources").unwrap_or_default()) {
        draft.link("WEB", url);
    }
    let mut native = element;
    native
        .children
        .retain(|child| !["identifier", "name", "description"].contains(&child.name.as_str()));
    draft.keep("vul", native.to_value());
    out.record(pointer, draft);
}

/// Adds the vectors, the worst of each version first, and the word of the sentence; without both, that of a score.
fn rate(draft: &mut Draft<'_>, element: &Element) {
    let sentence = element.text_of("severity").unwrap_or_default();
    let stated = word(sentence);
    if stated.is_none() && !sentence.is_empty() {
        draft.warn(format!("unknown severity \"{}\"", quote(sentence)));
    }
    let mut bare = Vec::new();
    // The vectors lack their version, which is in the sentence.
    let third = if sentence.contains("CVSS 3.1") {
        "3.1"
    } else {
        "3.0"
    };
    for (key, version) in [("cvss4", "4.0"), ("cvss3", third), ("cvss", "2.0")] {
        let mut rated = Vec::new();
        for vector in element.items(key, "vector") {
            let text = vector.text.trim();
            let score = vector.attribute("score").unwrap_or_default().to_owned();
            match severity::vector_of(text, version) {
                Some(severity) => rated.push((score, severity)),
                None if text.is_empty() => bare.extend(severity::word_of_score(&score, version)),
                None => draft.warn(format!("{key}: not a CVSS vector: \"{}\"", quote(text))),
            }
        }
        severity::worst_first(rated).for_each(|severity| draft.rate(severity));
    }
    let of_score = bare.first().copied().filter(|_| draft.severity.is_empty());
    if let Some(word) = stated.or(of_score) {
        draft.specific.push(("severity", value::text(word)));
    }
}

/// Returns true for an id without the name of its database.
fn is_bare(name: &str) -> bool {
    name.starts_with(|c: char| c.is_ascii_digit())
}

/// Adds the names of the vulnerability in other databases.
fn identify(draft: &mut Draft<'_>, element: &Element) {
    let mut names: Vec<String> = Vec::new();
    for identifier in element.items("identifiers", "identifier") {
        let name = identifier.text.trim();
        let kind = identifier.attribute("type").map(str::trim).unwrap_or_default();
        let ids = text::typed_cves(name);
        if kind.eq_ignore_ascii_case("CVE") || (kind.is_empty() && !ids.is_empty() && !is_bare(name)) {
            if ids.is_empty() {
                draft.warn(format!("not the id of a CVE record: \"{}\"", quote(name)));
            }
            names.extend(ids);
        } else if !name.contains(char::is_whitespace) {
            draft.relate(name);
        }
        draft.link("WEB", identifier.attribute("link").unwrap_or_default());
    }
    draft.named(&names.iter().map(String::as_str).collect::<Vec<_>>());
}
