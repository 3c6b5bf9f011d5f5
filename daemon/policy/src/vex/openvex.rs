//! OpenVEX: 0.0.1, where products and vulnerabilities are texts, and 0.2.0, where they are objects.

use std::sync::Arc;

use serde_json::Value;
use starling_protocol::UnixMillis;

use super::{Reader, VexError, VexFormat, VexStatus, invalid, time_of, why_of};
use crate::ids::spelled;

/// Whether this is the context of an OpenVEX document.
pub(super) fn is(value: &Value) -> bool {
    let context = match value.get("@context") {
        Some(Value::Array(several)) => several.first(),
        other => other,
    };
    context.and_then(Value::as_str).is_some_and(|context| {
        context.starts_with("https://openvex.dev/ns") || context == "https://openvex.dev"
    })
}

pub(super) fn read(value: &Value, reader: &mut Reader) -> Result<(), VexError> {
    let bad = |place: String, reason| invalid(VexFormat::OpenVex, place, reason);
    reader.author = value.get("author").and_then(Value::as_str).map(ToOwned::to_owned);
    let written = time_of(value.get("last_updated")).or_else(|| time_of(value.get("timestamp")));
    let statements = value
        .get("statements")
        .and_then(Value::as_array)
        .ok_or_else(|| bad("/statements".into(), "there is no list of statements"))?;
    for (index, statement) in statements.iter().enumerate() {
        let place = format!("/statements/{index}");
        let status = match statement.get("status").and_then(Value::as_str) {
            Some("not_affected") => VexStatus::NotAffected,
            Some("affected") => VexStatus::Affected,
            Some("fixed") => VexStatus::Fixed,
            Some("under_investigation") => VexStatus::UnderInvestigation,
            _ => return Err(bad(format!("{place}/status"), "the status is none of the four")),
        };
        let ids = ids(statement.get("vulnerability"));
        if ids.is_empty() {
            return Err(bad(
                format!("{place}/vulnerability"),
                "the statement names no vulnerability",
            ));
        }
        let why = ["justification", "impact_statement"].into_iter().find_map(|key| {
            statement
                .get(key)
                .and_then(Value::as_str)
                .filter(|text| !text.is_empty())
        });
        let time = time_of(statement.get("last_updated"))
            .or_else(|| time_of(statement.get("timestamp")))
            .or(written)
            .unwrap_or(UnixMillis::EPOCH);
        // A document about one thing may name it once, above its statements.
        let products = statement.get("products").or_else(|| value.get("product"));
        let mut names = Vec::new();
        for product in products.map(one_or_many).unwrap_or_default() {
            let parts = product
                .get("subcomponents")
                .or_else(|| statement.get("subcomponents"))
                .map(one_or_many)
                .filter(|parts| !parts.is_empty());
            match parts {
                Some(parts) => parts.iter().for_each(|part| names.extend(names_of(part))),
                None => names.extend(names_of(product)),
            }
        }
        if names.is_empty() {
            reader.unusable += 1;
        }
        reader.say(&ids, names, status, why.map(why_of).as_ref(), false, time)?;
    }
    Ok(())
}

fn one_or_many(value: &Value) -> Vec<&Value> {
    match value {
        Value::Array(many) => many.iter().collect(),
        one => vec![one],
    }
}

/// The id, name and aliases of a vulnerability; addresses are no names.
fn ids(value: Option<&Value>) -> Arc<[String]> {
    let mut ids: Vec<String> = match value {
        Some(Value::String(id)) => vec![spelled(id)],
        Some(Value::Object(object)) => {
            let texts = ["name", "@id"].into_iter().filter_map(|key| object.get(key));
            let aliases = object
                .get("aliases")
                .and_then(Value::as_array)
                .into_iter()
                .flatten();
            texts
                .chain(aliases)
                .filter_map(Value::as_str)
                .map(spelled)
                .collect()
        }
        _ => Vec::new(),
    };
    ids.retain(|id| !id.is_empty());
    ids.sort();
    ids.dedup();
    ids.into()
}

/// Each name of a product once: its package URLs if it has any, else its id.
fn names_of(product: &Value) -> Vec<&str> {
    if let Some(id) = product.as_str() {
        return vec![id];
    }
    let id = product.get("@id").and_then(Value::as_str);
    let purl = product.pointer("/identifiers/purl").and_then(Value::as_str);
    match (purl, id) {
        (Some(purl), Some(id)) if id.starts_with("pkg:") && id != purl => vec![id, purl],
        (Some(purl), _) => vec![purl],
        (None, Some(id)) => vec![id],
        (None, None) => Vec::new(),
    }
}
