//! CNNVD, China's national database: its XML files, and the entries of its web service.

#[cfg(test)]
mod tests;

use starling_protocol::json::Value;

use super::Connector;
use super::draft::Draft;
use super::output::Output;
use super::shallow;
use super::shape::Shape;
use super::text::{self, quote};
use super::value::{self, plain, str_of};
use super::xml::{Dialect, Element};

/// Reads documents of CNNVD.
pub(crate) struct Cnnvd;

/// Files are distributed in GB18030 without a declaration, and with unescaped brackets.
const DIALECT: Dialect = Dialect {
    fallback: encoding_rs::GB18030,
    known: &[
        "entry",
        "name",
        "vuln-id",
        "published",
        "modified",
        "source",
        "severity",
        "vuln-type",
        "thrtype",
        "vuln-descript",
        "vulnerable-configuration",
        "cncpe",
        "cncpe-lang",
        "vuln-software-list",
        "product",
        "other-id",
        "cve-id",
        "bugtraq-id",
        "refs",
        "ref",
        "ref-source",
        "ref-name",
        "ref-url",
        "vuln-solution",
        "vuln-exploit",
    ],
};

/// Prefixes of the text for a number that was assigned but not published yet.
const RESERVED: &str = "此编号已经被分配";

impl Connector for Cnnvd {
    fn name(&self) -> &'static str {
        "cnnvd"
    }

    fn knows(&self, shape: &Shape<'_>) -> bool {
        shape.is_xml("cnnvd")
            || (shape.is_xml("entry") && shape.xml_holds("<vuln-id>"))
            || shape.has("cnnvdDetail")
            || shape.has("cnnvdCode")
            || shape.value("data").is_some_and(|data| {
                let near = data.get(..data.len().min(4_096)).unwrap_or_default();
                memchr::memmem::find(near, b"\"cnnvdCode\"").is_some()
            })
    }

    fn read(&self, bytes: &[u8], _: &str, out: &mut Output<'_>) {
        let body = crate::osv::strip_byte_order_mark(bytes).trim_ascii_start();
        // The service wraps its answers.
        let body = shallow::member(body, "data").unwrap_or(body);
        match body.first() {
            Some(b'[') => out.json_items("", body, &mut web_entry),
            Some(b'{') if shallow::member(body, "records").is_some() => {
                out.json_lists(body, &["records"], &mut web_entry);
            }
            Some(b'{') => {
                if let Some(item) = out.json(body) {
                    web_entry(out, String::new(), item);
                }
            }
            _ => out.xml_records(bytes, &["entry"], &DIALECT, &mut entry),
        }
    }
}

/// Returns the English word for a severity.
fn word(stated: &str) -> Option<&'static str> {
    match stated.trim() {
        "超危" | "1" => Some("CRITICAL"),
        "高危" | "2" => Some("HIGH"),
        "中危" | "3" => Some("MEDIUM"),
        "低危" | "4" => Some("LOW"),
        _ => None,
    }
}

fn rate(draft: &mut Draft<'_>, stated: &str) {
    match word(stated) {
        Some(word) => draft.specific.push(("severity", value::text(word))),
        None if stated.trim().is_empty() => {}
        None => draft.warn(format!("unknown severity \"{}\"", quote(stated))),
    }
}

/// Adds the ids of CVE records; one text may contain several.
fn name(draft: &mut Draft<'_>, texts: &[&str]) {
    let mut found: Vec<String> = Vec::new();
    for text in texts.iter().filter(|text| !text.trim().is_empty()) {
        let cves = text::typed_cves(text);
        if cves.is_empty() {
            draft.warn(format!("not the id of a CVE record: \"{}\"", quote(text)));
        }
        found.extend(cves);
    }
    draft.named(&found.iter().map(String::as_str).collect::<Vec<_>>());
}

fn is_id(id: &str) -> bool {
    id.strip_prefix("CNNVD-")
        .is_some_and(|rest| rest.bytes().all(|byte| byte.is_ascii_digit() || byte == b'-'))
}

fn entry(out: &mut Output<'_>, pointer: String, entry: Element, warnings: Vec<String>) {
    let id = entry.text_of("vuln-id").unwrap_or_default();
    if !is_id(id) {
        return out.reject(pointer, format!("not the id of an entry: \"{}\"", quote(id)));
    }
    let described = entry.text_of("vuln-descript").unwrap_or_default();
    if described.starts_with(RESERVED) || (described.is_empty() && entry.text_of("name").is_none()) {
        return out.ignore(
            pointer,
            format!("{id}: a number that is handed out and not filled"),
        );
    }
    let mut draft = Draft::of(id);
    for warning in warnings {
        draft.warn(warning);
    }
    draft.summary = entry.text_of("name").map(str::to_owned);
    draft.details = Some(described.to_owned()).filter(|text| !text.is_empty());
    draft.published = draft.time("published", entry.text_of("published"));
    draft.modified = draft
        .time("modified", entry.text_of("modified"))
        .or_else(|| draft.published.clone());
    rate(&mut draft, entry.text_of("severity").unwrap_or_default());
    let cves: Vec<&str> = entry
        .items("other-id", "cve-id")
        .map(|cve| cve.text.as_str())
        .collect();
    name(&mut draft, &cves);
    for reference in entry.items("refs", "ref") {
        let text = reference.text_of("ref-url").unwrap_or_default();
        // Some have a word before the address, as the service writes it.
        let at = text.find("http").unwrap_or_default();
        draft.link("WEB", text.get(at..).unwrap_or(text));
    }
    let mut native = entry;
    native
        .children
        .retain(|child| !["vuln-id", "name", "vuln-descript"].contains(&child.name.as_str()));
    draft.keep("entry", native.to_value());
    out.record(pointer, draft);
}

fn web_entry(out: &mut Output<'_>, pointer: String, item: Value<'_>) {
    let item = item.get("cnnvdDetail").cloned().unwrap_or(item);
    let id = str_of(&item, "cnnvdCode").unwrap_or_default();
    if !is_id(id) {
        return out.reject(pointer, format!("not the id of an entry: \"{}\"", quote(id)));
    }
    let mut draft = Draft::of(id);
    draft.summary = str_of(&item, "vulName").map(str::to_owned);
    draft.details = str_of(&item, "vulDesc").map(str::to_owned);
    draft.published = draft.time("publishTime", str_of(&item, "publishTime"));
    draft.modified = draft
        .time("updateTime", str_of(&item, "updateTime"))
        .or_else(|| draft.published.clone());
    let level = item.get("hazardLevel").and_then(plain).unwrap_or_default();
    rate(&mut draft, &level);
    name(&mut draft, &[str_of(&item, "cveCode").unwrap_or_default()]);
    for key in ["referUrl", "patch"] {
        for part in str_of(&item, key).unwrap_or_default().split_whitespace() {
            if let Some(at) = part.find("http") {
                draft.link(
                    if key == "patch" { "FIX" } else { "WEB" },
                    part.get(at..).unwrap_or_default(),
                );
            }
        }
    }
    if let Value::Object(object) = value::without(item, &["cnnvdCode", "vulName", "vulDesc"]) {
        for (key, value) in object.into_entries() {
            draft.keep(key, value);
        }
    }
    out.record(pointer, draft);
}
