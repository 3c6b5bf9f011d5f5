//! ENISA's European vulnerability database: pages of its interface, lists, and single entries.

#[cfg(test)]
mod tests;

use starling_protocol::json::Value;

use super::Connector;
use super::draft::Draft;
use super::output::Output;
use super::severity;
use super::shallow;
use super::shape::Shape;
use super::text::{is_rejection, quote};
use super::value::{self, list_of, plain, str_of};

/// Reads entries of the database.
pub(crate) struct Euvd;

impl Connector for Euvd {
    fn name(&self) -> &'static str {
        "euvd"
    }

    fn knows(&self, shape: &Shape<'_>) -> bool {
        let is_page = shape.is_object_with(&["items", "total"])
            && shape.value("items").is_some_and(|items| {
                let near = items.get(..items.len().min(8_192)).unwrap_or_default();
                is_empty_list(items) || memchr::memmem::find(near, b"\"EUVD-").is_some()
            });
        is_page
            || shape
                .value("id")
                .and_then(shallow::string)
                .is_some_and(|id| id.starts_with("EUVD-"))
    }

    fn read(&self, bytes: &[u8], _: &str, out: &mut Output<'_>) {
        let body = crate::osv::strip_byte_order_mark(bytes).trim_ascii_start();
        if shallow::member(body, "id").is_some() {
            if let Some(item) = out.json(body) {
                entry(out, String::new(), item);
            }
        } else {
            let (mut count, mut first) = (0, String::new());
            let rest = out.json_lists(body, &["items"], &mut |out, pointer, item| {
                if count == 0 {
                    first = str_of(&item, "id").unwrap_or_default().to_owned();
                }
                count += 1;
                entry(out, pointer, item);
            });
            out.page(value::count_of(&rest, "total"), None, count, &first);
        }
    }
}

fn entry(out: &mut Output<'_>, pointer: String, item: Value<'_>) {
    let id = str_of(&item, "id").unwrap_or_default();
    if !id.starts_with("EUVD-") {
        return out.reject(pointer, format!("not the id of an entry: \"{}\"", quote(id)));
    }
    let mut draft = Draft::of(id);
    for (key, may_be_list) in TEXTS {
        let is_read = item.get(key).is_none_or(|value| match value {
            Value::Null | Value::String(_) => true,
            Value::Array(items) => may_be_list && items.iter().all(|one| one.as_str().is_some()),
            _ => false,
        });
        if !is_read {
            draft.warn(format!("{key}: expected a text"));
        }
    }
    draft.published = draft.time("datePublished", str_of(&item, "datePublished"));
    draft.modified = draft
        .time("dateUpdated", str_of(&item, "dateUpdated"))
        .or_else(|| draft.published.clone());
    draft.details = str_of(&item, "description").map(str::to_owned);
    if draft.details.as_deref().is_some_and(is_rejection) {
        draft.withdrawn.clone_from(&draft.modified);
        if draft.withdrawn.is_none() {
            draft.warn("rejected without a date");
        }
    }
    let names: Vec<&str> = lines(&item, "aliases")
        .flat_map(|line| line.split([',', ';', ' ']))
        .filter(|name| !name.trim().is_empty())
        .collect();
    draft.named(&names);
    for url in lines(&item, "references").flat_map(str::split_whitespace) {
        draft.link("WEB", url);
    }
    rate(&mut draft, &item);
    // A percentage of the day of the answer; EPSS itself is a separate source.
    let told = [
        "id",
        "description",
        "datePublished",
        "dateUpdated",
        "aliases",
        "references",
    ];
    if let Value::Object(object) = value::without(item, &told) {
        for (key, value) in object.into_entries() {
            draft.keep(key, value);
        }
    }
    out.record(pointer, draft);
}

/// The members that are read as texts; true for those that may be lists of texts.
const TEXTS: [(&str, bool); 6] = [
    ("description", false),
    ("datePublished", false),
    ("dateUpdated", false),
    ("baseScoreVector", false),
    ("aliases", true),
    ("references", true),
];

/// Adds the vector; without one, the word for the score.
fn rate(draft: &mut Draft<'_>, item: &Value<'_>) {
    let of = |key: &str| item.get(key).and_then(plain).unwrap_or_default();
    let version = of("baseScoreVersion");
    if let Some(vector) = str_of(item, "baseScoreVector") {
        match severity::vector_of(vector, &version) {
            Some(severity) => draft.rate(severity),
            None => draft.warn(format!("not a CVSS vector: \"{}\"", quote(vector))),
        }
    }
    if draft.severity.is_empty()
        && let Some(word) = severity::word_of_score(&of("baseScore"), &version)
    {
        draft.specific.push(("severity", value::text(word)));
    }
}

/// Returns true for a list without items, as far as it was read.
fn is_empty_list(text: &[u8]) -> bool {
    let inner = text.strip_prefix(b"[").and_then(|text| text.strip_suffix(b"]"));
    inner.is_some_and(|inner| inner.trim_ascii().is_empty())
}

/// Returns the lines of a text, or the items of a list.
fn lines<'v>(item: &'v Value<'_>, key: &str) -> impl Iterator<Item = &'v str> {
    let items = list_of(item, key).iter().filter_map(Value::as_str);
    let lines = str_of(item, key).into_iter().chain(items).flat_map(str::lines);
    lines.map(str::trim).filter(|line| !line.is_empty())
}
