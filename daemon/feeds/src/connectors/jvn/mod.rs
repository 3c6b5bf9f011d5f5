//! JVN iPedia, Japan's database: its details (VULDEF), and its overviews (RSS).
//!
//! Affected products are given as CPE names and sentences, so they stay in `database_specific.native`.

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

/// Reads documents of JVN iPedia.
pub(crate) struct Jvn;

const DIALECT: Dialect = Dialect {
    fallback: encoding_rs::SHIFT_JIS,
    known: &[],
};

impl Connector for Jvn {
    fn name(&self) -> &'static str {
        "jvn"
    }

    fn knows(&self, shape: &Shape<'_>) -> bool {
        shape.is_xml("VULDEF-Document")
            || (shape.is_xml("RDF") && shape.xml_holds("jvn.jp/rss/mod_sec"))
            || (shape.is_xml("Result") && shape.xml_holds("jvndb.jvn.jp"))
    }

    fn read(&self, bytes: &[u8], _: &str, out: &mut Output<'_>) {
        let mut records = 0_usize;
        out.xml_records(
            bytes,
            &["Vulinfo", "item", "Status"],
            &DIALECT,
            &mut |out, pointer, element, warnings| {
                match element.name.as_str() {
                    "Vulinfo" => detail(out, pointer, &element, warnings),
                    "item" => overview(out, pointer, &element, warnings),
                    // The interface reports errors in an otherwise normal answer.
                    _ => {
                        let code = element.attribute("retCd").unwrap_or("0");
                        if code != "0" {
                            let message = element.attribute("errMsg").unwrap_or_default();
                            out.reject(
                                pointer,
                                format!("the answer is an error: {} {}", quote(code), quote(message)),
                            );
                        }
                        return;
                    }
                }
                records += 1;
            },
        );
        if records == 0 {
            out.note("the document holds no vulnerability");
        }
    }
}

fn begin(id: Option<&str>, warnings: Vec<String>) -> Result<Draft<'static>, String> {
    let id = id.unwrap_or_default();
    if !id.starts_with("JVNDB-") && !id.starts_with("JVN") {
        return Err(format!("not the id of an entry: \"{}\"", quote(id)));
    }
    let mut draft = Draft::of(id);
    for warning in warnings {
        draft.warn(warning);
    }
    Ok(draft)
}

/// Adds a vector and its word. The vector contains its version: vectors of 3.1 are also listed under 3.0.
fn rate(draft: &mut Draft<'_>, vector: Option<&str>, version: &str) {
    let Some(vector) = vector.map(str::trim).filter(|vector| !vector.is_empty()) else {
        return;
    };
    match severity::vector_of(vector, version) {
        Some(severity) => draft.rate(severity),
        None => draft.warn(format!("not a CVSS vector: \"{}\"", quote(vector))),
    }
}

/// Sets the word of a rating, if it has no vector: the first that is known.
fn word(draft: &mut Draft<'_>, words: &[&str]) {
    if !draft.severity.is_empty() || words.is_empty() {
        return;
    }
    let known = |word: &&str| match word.to_lowercase().as_str() {
        "緊急" | "critical" => Some("CRITICAL"),
        "重要" | "危険" | "high" => Some("HIGH"),
        "警告" | "medium" => Some("MEDIUM"),
        "注意" | "low" => Some("LOW"),
        _ => None,
    };
    match words.iter().find_map(known) {
        Some(word) => draft.specific.push(("severity", value::text(word))),
        None => draft.warn(format!(
            "unknown severity \"{}\"",
            quote(words.first().unwrap_or(&""))
        )),
    }
}

fn detail(out: &mut Output<'_>, pointer: String, info: &Element, warnings: Vec<String>) {
    let mut draft = match begin(info.text_of("VulinfoID"), warnings) {
        Ok(draft) => draft,
        Err(why) => return out.reject(pointer, why),
    };
    let empty = Element::default();
    let data = info.child("VulinfoData").unwrap_or(&empty);
    draft.summary = data.text_of("Title").map(str::to_owned);
    let overview = data
        .child("VulinfoDescription")
        .and_then(|description| description.text_of("Overview"));
    draft.details = overview.map(str::to_owned);
    draft.published = draft.time("DateFirstPublished", data.text_of("DateFirstPublished"));
    draft.modified = draft
        .time("DateLastUpdated", data.text_of("DateLastUpdated"))
        .or_else(|| draft.published.clone());
    for cvss in data.items("Impact", "Cvss") {
        rate(
            &mut draft,
            cvss.text_of("Vector"),
            cvss.attribute("version").unwrap_or_default(),
        );
    }
    let words = data
        .items("Impact", "Cvss")
        .filter_map(|cvss| cvss.text_of("Severity"));
    word(&mut draft, &words.collect::<Vec<_>>());
    let (mut cves, mut cwes) = (Vec::new(), Vec::new());
    for related in data.items("Related", "RelatedItem") {
        let id = related.text_of("VulinfoID").unwrap_or_default();
        let name = related.text_of("Name").unwrap_or_default();
        match related.attribute("type") {
            Some("advisory") if name.contains("(CVE)") || name.contains("(NVD)") => {
                if text::is_cve(id) {
                    if !cves.contains(&id) {
                        cves.push(id);
                    }
                } else {
                    draft.warn(format!("not the id of a CVE record: \"{}\"", quote(id)));
                }
            }
            Some("cwe") if id.starts_with("CWE-") => cwes.push(id.to_owned()),
            _ => {}
        }
        let kind = if related.attribute("type") == Some("advisory") {
            "ADVISORY"
        } else {
            "WEB"
        };
        draft.link(kind, related.text_of("URL").unwrap_or_default());
    }
    draft.named(&cves);
    if !cwes.is_empty() {
        draft.specific.push(("cwe_ids", value::texts(cwes)));
    }
    let mut native = data.clone();
    native
        .children
        .retain(|child| child.name != "Title" && child.name != "VulinfoDescription");
    draft.keep("VulinfoData", native.to_value());
    out.record(pointer, draft);
}

fn overview(out: &mut Output<'_>, pointer: String, item: &Element, warnings: Vec<String>) {
    let mut draft = match begin(item.text_of("identifier"), warnings) {
        Ok(draft) => draft,
        Err(why) => return out.reject(pointer, why),
    };
    draft.summary = item.text_of("title").map(str::to_owned);
    draft.details = item.text_of("description").map(str::to_owned);
    draft.published = draft.time("issued", item.text_of("issued"));
    draft.modified = draft.time(
        "modified",
        item.text_of("modified").or_else(|| item.text_of("date")),
    );
    for cvss in item.all("cvss") {
        rate(
            &mut draft,
            cvss.attribute("vector"),
            cvss.attribute("version").unwrap_or_default(),
        );
    }
    let words = item.all("cvss").filter_map(|cvss| cvss.attribute("severity"));
    word(
        &mut draft,
        &words.filter(|word| !word.trim().is_empty()).collect::<Vec<_>>(),
    );
    let (mut cves, mut cwes) = (Vec::new(), Vec::new());
    for reference in item.all("references") {
        let id = reference.attribute("id").unwrap_or_default();
        if text::is_cve(id) && !cves.contains(&id) {
            cves.push(id);
        } else if id.starts_with("CWE-") {
            cwes.push(id.to_owned());
        }
        draft.link("WEB", &reference.text);
    }
    draft.named(&cves);
    if !cwes.is_empty() {
        draft.specific.push(("cwe_ids", value::texts(cwes)));
    }
    draft.link("ADVISORY", item.text_of("link").unwrap_or_default());
    let mut native = item.clone();
    native
        .children
        .retain(|child| child.name != "title" && child.name != "description");
    draft.keep("item", native.to_value());
    out.record(pointer, draft);
}
