//! BDU, Russia's database: its XML export.

#[cfg(test)]
mod tests;

use super::Connector;
use super::draft::Draft;
use super::output::Output;
use super::severity;
use super::shape::Shape;
use super::text::{self, quote};
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
        shape.is_xml("vulnerabilities") && shape.xml_holds("<vul>") && shape.xml_holds("BDU:")
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
    let sentence = element.text_of("severity").unwrap_or_default();
    match word(sentence) {
        Some(word) => draft.specific.push(("severity", value::text(word))),
        None if sentence.is_empty() => {}
        None => draft.warn(format!("unknown severity \"{}\"", quote(sentence))),
    }
    // The vectors lack their version, which is in the sentence.
    let third = if sentence.contains("CVSS 3.1") {
        "3.1"
    } else {
        "3.0"
    };
    for (key, version) in [("cvss4", "4.0"), ("cvss3", third), ("cvss", "2.0")] {
        for vector in element
            .items(key, "vector")
            .map(|vector| vector.text.trim())
            .filter(|text| !text.is_empty())
        {
            match severity::vector_of(vector, version) {
                Some(severity) => draft.rate(severity),
                None => draft.warn(format!("{key}: not a CVSS vector: \"{}\"", quote(vector))),
            }
        }
    }
    identify(&mut draft, &element);
    let mut cwes: Vec<String> = Vec::new();
    for cwe in element.items("cwes", "cwe").chain(element.all("cwe")) {
        let cwe = cwe.text_of("identifier").unwrap_or_default();
        if cwe.starts_with("CWE-") && !cwes.iter().any(|own| own == cwe) {
            cwes.push(cwe.to_owned());
        }
    }
    if !cwes.is_empty() {
        draft.specific.push(("cwe_ids", value::texts(cwes)));
    }
    for url in element.text_of("sources").unwrap_or_default().split_whitespace() {
        if url.starts_with("https://") || url.starts_with("http://") {
            draft.link("WEB", url.trim_end_matches([',', ';']));
        }
    }
    let mut native = element;
    native
        .children
        .retain(|child| !["identifier", "name", "description"].contains(&child.name.as_str()));
    draft.keep("vul", native.to_value());
    out.record(pointer, draft);
}

/// Adds the names of the vulnerability in other databases.
fn identify(draft: &mut Draft<'_>, element: &Element) {
    let mut names: Vec<String> = Vec::new();
    for identifier in element.items("identifiers", "identifier") {
        let name = identifier.text.trim();
        match identifier.attribute("type") {
            Some("CVE") => {
                let ids = text::typed_cves(name);
                if ids.is_empty() {
                    draft.warn(format!("not the id of a CVE record: \"{}\"", quote(name)));
                }
                names.extend(ids);
            }
            _ if !name.contains(char::is_whitespace) => draft.relate(name),
            _ => {}
        }
        draft.link("WEB", identifier.attribute("link").unwrap_or_default());
    }
    draft.named(&names.iter().map(String::as_str).collect::<Vec<_>>());
}
