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
use super::text::quote;
use super::value::{self, str_of};

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
                items == b"[]" || memchr::memmem::find(near, b"\"EUVD-").is_some()
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
            out.json_lists(body, &["items"], &mut entry);
        }
    }
}

fn entry(out: &mut Output<'_>, pointer: String, item: Value<'_>) {
    let id = str_of(&item, "id").unwrap_or_default();
    if !id.starts_with("EUVD-") {
        return out.reject(pointer, format!("not the id of an entry: \"{}\"", quote(id)));
    }
    let mut draft = Draft::of(id);
    draft.published = draft.time("datePublished", str_of(&item, "datePublished"));
    draft.modified = draft
        .time("dateUpdated", str_of(&item, "dateUpdated"))
        .or_else(|| draft.published.clone());
    draft.details = str_of(&item, "description").map(str::to_owned);
    if draft
        .details
        .as_deref()
        .is_some_and(|text| text.starts_with("** REJECT **") || text.starts_with("Rejected reason:"))
    {
        draft.withdrawn.clone_from(&draft.modified);
        if draft.withdrawn.is_none() {
            draft.warn("rejected without a date");
        }
    }
    let lines = |key| {
        str_of(&item, key)
            .unwrap_or_default()
            .lines()
            .map(str::trim)
            .filter(|line| !line.is_empty())
    };
    let names: Vec<&str> = lines("aliases").collect();
    draft.named(&names);
    for url in lines("references") {
        draft.link("WEB", url);
    }
    if let Some(vector) = str_of(&item, "baseScoreVector") {
        match severity::vector_of(vector, str_of(&item, "baseScoreVersion").unwrap_or_default()) {
            Some(severity) => draft.rate(severity),
            None => draft.warn(format!("not a CVSS vector: \"{}\"", quote(vector))),
        }
    }
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
