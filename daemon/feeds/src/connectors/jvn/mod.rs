//! JVN iPedia, Japan's database: its details (VULDEF), its overviews (RSS), and the JSON form of its interface.
//!
//! Affected products are given as CPE names and sentences, so they stay in `database_specific.native`.

mod oka;
pub(crate) use oka::is_of_interface;
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

/// Prefix of the ids of alerts: the interface lists them in the same forms.
const ALERT: &str = "MYJVN-ALT-";

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
            || (shape.is_xml("feed") && shape.xml_holds("jvn.jp/rss/mod_sec"))
            || is_of_interface(shape)
    }

    fn read(&self, bytes: &[u8], _: &str, out: &mut Output<'_>) {
        let body = crate::osv::strip_byte_order_mark(bytes).trim_ascii_start();
        if body.starts_with(b"{") {
            return oka::read(body, out);
        }
        let mut records = 0_usize;
        out.xml_records(
            bytes,
            &["Vulinfo", "item", "Status"],
            &DIALECT,
            &mut |out, pointer, element, warnings| {
                match element.name.as_str() {
                    "Vulinfo" => detail(out, pointer, &element, warnings),
                    "item" => overview(out, pointer, &element, warnings),
                    _ => {
                        if let Err(why) = status(&element) {
                            return out.reject(pointer, why);
                        }
                        let number = |name: &str| element.attribute(name)?.trim().parse::<usize>().ok();
                        page(out, number("totalRes"), number("firstRes"), records);
                        if let Some(what) = shortness(element.attribute("totalResRet"), records) {
                            out.note(what);
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

/// Returns the error that the interface reports in an otherwise normal answer.
fn status(element: &Element) -> Result<(), String> {
    let code = element.attribute("retCd").unwrap_or("0");
    if code == "0" {
        return Ok(());
    }
    let message = element.attribute("errMsg").unwrap_or_default();
    Err(format!(
        "the answer is an error: {} {}",
        quote(code),
        quote(message)
    ))
}

/// Reports a page, whose first entry is the `first` of the list, from 1 on.
fn page(out: &mut Output<'_>, total: Option<usize>, first: Option<usize>, records: usize) {
    // A file of a year states no position, and is the whole list.
    if let Some(start) = first.and_then(|first| first.checked_sub(1)) {
        out.page(total, Some(start), records, "");
    }
}

/// Returns what a page lacks of the entries that it says it has.
fn shortness(stated: Option<&str>, found: usize) -> Option<String> {
    let stated = stated?.trim().parse::<usize>().ok()?;
    (found < stated).then(|| format!("the page is short: it says {stated}, and has {found}; fetch it again"))
}

/// One rating of an entry, as far as it is there.
#[derive(Debug, Default)]
struct Stated<'s> {
    vector: Option<&'s str>,
    /// The version of CVSS by the entry: vectors of 3.1 are also listed under 3.0.
    version: &'s str,
    score: &'s str,
    word: Option<&'s str>,
}

/// Adds the vectors of an entry, the worst first; without any, a word: of the newest version, the worst.
fn rate(draft: &mut Draft<'_>, all: &[Stated<'_>]) {
    let mut rated = Vec::new();
    for one in all {
        let Some(vector) = one.vector.map(str::trim).filter(|vector| !vector.is_empty()) else {
            continue;
        };
        match severity::vector_of(vector, one.version) {
            Some(severity) => rated.push((one.score.to_owned(), severity)),
            None => draft.warn(format!("not a CVSS vector: \"{}\"", quote(vector))),
        }
    }
    severity::worst_first(rated).for_each(|severity| draft.rate(severity));
    if !draft.severity.is_empty() {
        return;
    }
    let mut known = Vec::new();
    for one in all {
        let stated = one.word.map(str::trim).filter(|word| !word.is_empty());
        let word = stated.and_then(english);
        if let (Some(stated), None) = (stated, word) {
            draft.warn(format!("unknown severity \"{}\"", quote(stated)));
        }
        let word = word.or_else(|| severity::word_of_score(one.score, one.version));
        known.extend(word.map(|word| (one.version, LEVELS.iter().position(|level| *level == word), word)));
    }
    if let Some((_, _, word)) = known.into_iter().max() {
        draft.specific.push(("severity", value::text(word)));
    }
}

/// The words for a severity, lowest first.
const LEVELS: [&str; 5] = ["NONE", "LOW", "MEDIUM", "HIGH", "CRITICAL"];

/// Returns the English word for a severity.
fn english(word: &str) -> Option<&'static str> {
    match word.trim().to_lowercase().as_str() {
        "緊急" | "critical" => Some("CRITICAL"),
        "重要" | "危険" | "high" => Some("HIGH"),
        "警告" | "medium" => Some("MEDIUM"),
        "注意" | "low" => Some("LOW"),
        "なし" | "none" => Some("NONE"),
        _ => None,
    }
}

/// The ids that an entry's references give.
#[derive(Debug, Default)]
struct Ids {
    cves: Vec<String>,
    cwes: Vec<String>,
}

impl Ids {
    /// Adds the ids of CVE records in the id of a reference to a database of them.
    fn add_cves(&mut self, draft: &mut Draft<'_>, id: &str) {
        let found = text::typed_cves(id);
        if found.is_empty() {
            draft.warn(format!("not the id of a CVE record: \"{}\"", quote(id)));
        }
        self.cves.extend(found);
    }

    /// Adds the id of a weakness; `CWE-Other` and `CWE-noinfo` are ignored.
    fn add_cwe(&mut self, id: &str) {
        let number = id.strip_prefix("CWE-").unwrap_or_default();
        let is_id = !number.is_empty() && number.bytes().all(|byte| byte.is_ascii_digit());
        if is_id {
            self.cwes.push(id.to_owned());
        }
    }

    fn give(self, draft: &mut Draft<'_>) {
        draft.named(&self.cves.iter().map(String::as_str).collect::<Vec<_>>());
        if !self.cwes.is_empty() {
            let cwes = text::distinct(self.cwes.iter().map(String::as_str));
            draft.specific.push(("cwe_ids", value::texts(cwes)));
        }
    }
}

/// Returns true for the name of a database of CVE records: `CVE`, `National Vulnerability Database (NVD)`.
fn is_of_cves(name: &str) -> bool {
    ["CVE", "NVD"]
        .iter()
        .any(|own| name == *own || name.ends_with(&format!("({own})")))
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
    let ratings = data.items("Impact", "Cvss").map(|cvss| Stated {
        vector: cvss.text_of("Vector"),
        version: cvss.attribute("version").unwrap_or_default(),
        score: cvss.text_of("Base").unwrap_or_default(),
        word: cvss.text_of("Severity"),
    });
    rate(&mut draft, &ratings.collect::<Vec<_>>());
    let mut ids = Ids::default();
    for related in data.items("Related", "RelatedItem") {
        let id = related.text_of("VulinfoID").unwrap_or_default();
        let name = related.text_of("Name").unwrap_or_default();
        let kind = related.attribute("type");
        match kind {
            Some("advisory") if is_of_cves(name) => ids.add_cves(&mut draft, id),
            Some("cwe") => ids.add_cwe(id),
            _ => {}
        }
        let kind = if kind == Some("advisory") {
            "ADVISORY"
        } else {
            "WEB"
        };
        draft.link(kind, related.text_of("URL").unwrap_or_default());
    }
    ids.give(&mut draft);
    let mut native = data.clone();
    native
        .children
        .retain(|child| child.name != "Title" && child.name != "VulinfoDescription");
    draft.keep("VulinfoData", native.to_value());
    out.record(pointer, draft);
}

fn overview(out: &mut Output<'_>, pointer: String, item: &Element, warnings: Vec<String>) {
    if let Some(alert) = item.text_of("identifier").filter(|id| id.starts_with(ALERT)) {
        return out.ignore(
            pointer,
            format!("{}: an alert, not a vulnerability", quote(alert)),
        );
    }
    let mut draft = match begin(item.text_of("identifier"), warnings) {
        Ok(draft) => draft,
        Err(why) => return out.reject(pointer, why),
    };
    draft.summary = item.text_of("title").map(str::to_owned);
    draft.details = item.text_of("description").map(str::to_owned);
    draft.published = draft.time("issued", item.text_of("issued"));
    let changed = item.text_of("modified").or_else(|| item.text_of("date"));
    draft.modified = draft
        .time("modified", changed)
        .or_else(|| draft.published.clone());
    let ratings = item.all("cvss").map(|cvss| Stated {
        vector: cvss.attribute("vector"),
        version: cvss.attribute("version").unwrap_or_default(),
        score: cvss.attribute("score").unwrap_or_default(),
        word: cvss.attribute("severity"),
    });
    rate(&mut draft, &ratings.collect::<Vec<_>>());
    let mut ids = Ids::default();
    for reference in item.all("references") {
        let id = reference.attribute("id").unwrap_or_default().trim();
        // A page about something else may have such an id, too.
        match reference.attribute("source").map(str::trim) {
            Some(source) if is_of_cves(source) => ids.add_cves(&mut draft, id),
            None if text::is_cve(id) => ids.add_cves(&mut draft, id),
            _ => ids.add_cwe(id),
        }
        draft.link("WEB", &reference.text);
    }
    ids.give(&mut draft);
    draft.link("ADVISORY", item.text_of("link").unwrap_or_default());
    let mut native = item.clone();
    native
        .children
        .retain(|child| child.name != "title" && child.name != "description");
    draft.keep("item", native.to_value());
    out.record(pointer, draft);
}
