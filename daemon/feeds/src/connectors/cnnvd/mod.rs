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
use super::typed;
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

/// The element with an entry's products, by CPE names.
const CONFIGURATION: &str = "vulnerable-configuration";

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
        if let Some(why) = failure(body) {
            return out.reject("", why);
        }
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

/// Returns the error that the service gives in place of entries.
fn failure(body: &[u8]) -> Option<String> {
    let told = |key| shallow::member(body, key).map(|value| String::from_utf8_lossy(value).trim().to_owned());
    let is_missing =
        shallow::member(body, "data").is_none_or(|data| !data.starts_with(b"{") && !data.starts_with(b"["));
    let (code, has_failed) = (
        told("code"),
        told("success").is_some_and(|success| success == "false"),
    );
    let is_entry =
        shallow::member(body, "cnnvdCode").is_some() || shallow::member(body, "cnnvdDetail").is_some();
    (has_failed || (code.is_some() && is_missing && !is_entry)).then(|| {
        let message = shallow::member(body, "message").and_then(shallow::string);
        let (code, message) = (code.unwrap_or_default(), message.unwrap_or_default());
        format!("the answer is an error: {} {}", quote(&code), quote(&message))
    })
}

/// Returns true for the text of a number that was assigned but not published yet.
fn is_reserved(text: &str) -> bool {
    let text = text.trim_start();
    text.strip_prefix("** RESERVED **")
        .unwrap_or(text)
        .trim_start()
        .starts_with(RESERVED)
}

/// Withdraws an entry whose text is that of a rejected CVE record.
fn reject_like_cve(draft: &mut Draft<'_>) {
    if draft.details.as_deref().is_some_and(text::is_rejection) {
        draft.withdrawn = draft.modified.clone().or_else(|| draft.published.clone());
        if draft.withdrawn.is_none() {
            draft.warn("rejected without a date");
        }
    }
}

/// Returns the English word for a severity.
fn word(stated: &str) -> Option<&'static str> {
    match stated.trim().trim_end_matches('危') {
        "超" | "1" => Some("CRITICAL"),
        "高" | "2" => Some("HIGH"),
        "中" | "3" => Some("MEDIUM"),
        "低" | "4" => Some("LOW"),
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
    if is_reserved(described) || (described.is_empty() && entry.text_of("name").is_none()) {
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
        .chain(entry.all("cve-id"))
        .map(|cve| cve.text.as_str())
        .collect();
    name(&mut draft, &cves);
    for reference in entry.items("refs", "ref") {
        link(&mut draft, reference.text_of("ref-url").unwrap_or_default());
    }
    reject_like_cve(&mut draft);
    let mut native = entry;
    // Scans look products up in these.
    let is_configuration = |child: &Element| child.name == CONFIGURATION;
    let configurations = native.children.iter().filter(|child| is_configuration(child));
    let configurations: Vec<_> = configurations.map(Element::to_value).collect();
    draft.keep(CONFIGURATION, Value::Array(configurations));
    native.children.retain(|child| {
        let is_told = ["vuln-id", "name", "vuln-descript"].contains(&child.name.as_str());
        !is_told && !is_configuration(child)
    });
    draft.keep("entry", native.to_value());
    out.record(pointer, draft);
}

/// Adds the addresses in a text, or a text that is one in another form.
fn link(draft: &mut Draft<'_>, text: &str) {
    let links = typed::links(text);
    if links.is_empty() {
        draft.link("WEB", text);
    }
    for link in links {
        draft.link("WEB", link);
    }
}

fn web_entry(out: &mut Output<'_>, pointer: String, item: Value<'_>) {
    let is_entry = |value: &&Value<'_>| value.as_object().is_some();
    // The other one is the entry of a vulnerability that was received from elsewhere.
    let detail = ["cnnvdDetail", "receviceVulDetail"]
        .iter()
        .filter_map(|key| item.get(key))
        .find(is_entry);
    let item = detail.cloned().unwrap_or(item);
    let id = str_of(&item, "cnnvdCode").unwrap_or_default();
    if !is_id(id) {
        return out.reject(pointer, format!("not the id of an entry: \"{}\"", quote(id)));
    }
    let described = str_of(&item, "vulDesc");
    if described.is_some_and(is_reserved) || (described.is_none() && str_of(&item, "vulName").is_none()) {
        return out.ignore(
            pointer,
            format!("{id}: a number that is handed out and not filled"),
        );
    }
    let mut draft = Draft::of(id);
    draft.summary = str_of(&item, "vulName").map(str::to_owned);
    draft.details = str_of(&item, "vulDesc").map(str::to_owned);
    let of = |key: &str| item.get(key).and_then(plain);
    draft.published = draft.time("publishTime", of("publishTime").as_deref());
    draft.modified = draft
        .time("updateTime", of("updateTime").as_deref())
        .or_else(|| draft.published.clone());
    reject_like_cve(&mut draft);
    let level = item.get("hazardLevel").and_then(plain).unwrap_or_default();
    rate(&mut draft, &level);
    name(&mut draft, &[str_of(&item, "cveCode").unwrap_or_default()]);
    for key in ["referUrl", "patch"] {
        let kind = if key == "patch" { "FIX" } else { "WEB" };
        for link in typed::links(str_of(&item, key).unwrap_or_default()) {
            draft.link(kind, link);
        }
    }
    if let Value::Object(object) = value::without(item, &["cnnvdCode", "vulName", "vulDesc"]) {
        for (key, value) in object.into_entries() {
            draft.keep(key, value);
        }
    }
    out.record(pointer, draft);
}
