//! OpenVEX: 0.0.1, whose products and vulnerabilities are strings, and 0.2.0, in which they are objects.

use std::sync::Arc;

use serde_json::Value;
use starling_scanner::purl::PackageUrl;

use super::product::{Whole, Within, image_of};
use super::{
    Reader, Saying, UnusableReason, VexError, VexFormat, VexStatus, invalid, is_justification, time_of,
    why_of,
};
use crate::ids::spelled;

/// Returns true if this is the context of an OpenVEX document.
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
    let (issued, updated) = (value.get("timestamp"), value.get("last_updated"));
    let statements = value
        .get("statements")
        .and_then(Value::as_array)
        .ok_or_else(|| bad("/statements".into(), "the list of statements is missing"))?;
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
        let text = |key: &str| {
            let text = statement.get(key).and_then(Value::as_str);
            text.filter(|text| !text.trim().is_empty())
        };
        let justification = text("justification").filter(|text| is_justification(text));
        let why = justification.or_else(|| text("impact_statement"));
        // The specification demands one of the two, and has a list of the first.
        if status == VexStatus::NotAffected && why.is_none() {
            reader.unusable.add(UnusableReason::NoJustification, 1);
            continue;
        }
        // An update of the document may not concern this statement. A statement that settles findings therefore gets the
        // time of issue, so that it does not override statements made since then.
        let of_document = if status.is_settled() {
            [issued, updated]
        } else {
            [updated, issued]
        };
        let own = ["last_updated", "timestamp"].map(|key| statement.get(key));
        let time = time_of(status, own.into_iter().chain(of_document));
        // A document about one product may name it once, above its statements.
        let products = statement.get("products").or_else(|| value.get("product"));
        let mut names: Vec<(&str, Within)> = Vec::new();
        let itself = Within::default();
        for product in products.map(one_or_many).unwrap_or_default() {
            let parts = product
                .get("subcomponents")
                .or_else(|| statement.get("subcomponents"))
                .map(one_or_many)
                .filter(|parts| !parts.is_empty());
            match parts {
                Some(parts) => {
                    let within: Within = [Arc::new(whole_of(product))].into();
                    let parts = parts.into_iter().flat_map(names_of);
                    names.extend(parts.map(|name| (name, Arc::clone(&within))));
                }
                None => names.extend(
                    names_of(product)
                        .into_iter()
                        .map(|name| (name, Arc::clone(&itself))),
                ),
            }
        }
        if names.is_empty() {
            reader.unusable.add(UnusableReason::NoPackage, 1);
        }
        let why = why.map(why_of);
        let saying = Saying {
            ids: &ids,
            status,
            why: why.as_ref(),
            will_not_fix: false,
            time,
            is_of_a_version: false,
        };
        reader.say(&saying, names)?;
    }
    Ok(())
}

/// Returns the name of a product, for statements about its parts.
fn whole_of(product: &Value) -> Whole {
    let mut whole = Whole::default();
    let identifiers = product.get("identifiers").and_then(Value::as_object);
    let others = identifiers
        .into_iter()
        .flat_map(|identifiers| identifiers.values());
    let names = names_of(product)
        .into_iter()
        .chain(others.filter_map(Value::as_str));
    for name in names {
        match PackageUrl::parse_lenient(name).ok().or_else(|| image_of(name)) {
            Some(purl) => whole.purls.push(purl),
            None => whole.names.push(name.to_owned()),
        }
    }
    whole
}

fn one_or_many(value: &Value) -> Vec<&Value> {
    match value {
        Value::Array(many) => many.iter().collect(),
        one => vec![one],
    }
}

/// Returns the id, name and aliases of a vulnerability, without addresses.
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

/// Returns each name of a product once: its package URLs if it has any, else its id.
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
