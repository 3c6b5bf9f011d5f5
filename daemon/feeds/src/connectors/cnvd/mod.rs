//! CNVD, the database of China's emergency team: its weekly XML files.

#[cfg(test)]
mod tests;

use super::Connector;
use super::draft::Draft;
use super::output::Output;
use super::shape::Shape;
use super::text::{self, quote};
use super::typed;
use super::value;
use super::xml::{Dialect, Element};

/// Reads files of CNVD.
pub(crate) struct Cnvd;

const DIALECT: Dialect = Dialect {
    fallback: encoding_rs::GB18030,
    known: &[
        "vulnerability",
        "number",
        "cves",
        "cve",
        "cveNumber",
        "cveUrl",
        "bids",
        "bid",
        "bidNumber",
        "title",
        "serverity",
        "severity",
        "products",
        "product",
        "isEvent",
        "submitTime",
        "openTime",
        "discovererName",
        "referenceLink",
        "formalWay",
        "description",
        "patchName",
        "patchDescription",
    ],
};

impl Connector for Cnvd {
    fn name(&self) -> &'static str {
        "cnvd"
    }

    fn knows(&self, shape: &Shape<'_>) -> bool {
        // The misspelling is the source's own.
        shape.is_xml("vulnerabilitys")
    }

    fn read(&self, bytes: &[u8], _: &str, out: &mut Output<'_>) {
        out.xml_records(bytes, &["vulnerability"], &DIALECT, &mut vulnerability);
    }
}

fn vulnerability(out: &mut Output<'_>, pointer: String, element: Element, warnings: Vec<String>) {
    let id = element.text_of("number").unwrap_or_default();
    let is_id = id
        .strip_prefix("CNVD-")
        .is_some_and(|rest| rest.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-'));
    if !is_id {
        return out.reject(pointer, format!("not the number of an entry: \"{}\"", quote(id)));
    }
    let mut draft = Draft::of(id);
    for warning in warnings {
        draft.warn(warning);
    }
    draft.summary = element.text_of("title").map(str::to_owned);
    draft.details = element.text_of("description").map(str::to_owned);
    draft.published = draft.time("submitTime", element.text_of("submitTime"));
    draft.modified = draft
        .time("openTime", element.text_of("openTime"))
        .or_else(|| draft.published.clone());
    rate(&mut draft, &element);
    let mut names: Vec<String> = Vec::new();
    for cve in element.items("cves", "cve").chain(element.all("cve")) {
        let text = cve.text_of("cveNumber").unwrap_or_default();
        let ids = text::typed_cves(text);
        match ids.as_slice() {
            [id] if id != text => draft.warn(format!("\"{}\" is read as {id}", quote(text))),
            [] if !text.is_empty() => {
                draft.warn(format!("not the id of a CVE record: \"{}\"", quote(text)));
            }
            _ => {}
        }
        names.extend(ids);
        draft.link("WEB", cve.text_of("cveUrl").unwrap_or_default());
    }
    draft.named(&names.iter().map(String::as_str).collect::<Vec<_>>());
    for (key, kind) in [("referenceLink", "WEB"), ("formalWay", "FIX")] {
        for link in typed::links(element.text_of(key).unwrap_or_default()) {
            draft.link(kind, link);
        }
    }
    let mut native = element;
    native
        .children
        .retain(|child| !["number", "title", "description"].contains(&child.name.as_str()));
    draft.keep("vulnerability", native.to_value());
    out.record(pointer, draft);
}

/// Adds the word of the severity, in the source's spelling of the element or the right one.
fn rate(draft: &mut Draft<'_>, element: &Element) {
    let stated = element
        .text_of("serverity")
        .or_else(|| element.text_of("severity"));
    let Some(stated) = stated else { return };
    let word = match stated.trim_end_matches('危') {
        "超" => "CRITICAL",
        "高" => "HIGH",
        "中" => "MEDIUM",
        "低" => "LOW",
        _ => return draft.warn(format!("unknown severity \"{}\"", quote(stated))),
    };
    draft.specific.push(("severity", value::text(word)));
}
