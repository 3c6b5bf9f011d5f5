//! Examples in the OpenAPI document, built from the schemas, so that they only show existing fields.

use serde_json::{Map, Value, json};
use utoipa::openapi::{Content, OpenApi, RefOr};

use starling_api_types::{ErrorCode, Problem};

/// Deepest nesting of an example: schemas may be recursive.
const MAX_DEPTH: usize = 12;
/// The content types whose bodies are JSON.
const JSON_TYPES: [&str; 2] = ["application/json", Problem::CONTENT_TYPE];

/// Adds an example to every JSON body of the document that lacks one.
pub(crate) fn add(mut document: OpenApi) -> OpenApi {
    let schemas = document
        .components
        .as_ref()
        .and_then(|components| serde_json::to_value(&components.schemas).ok())
        .unwrap_or(Value::Null);
    for item in document.paths.paths.values_mut() {
        let operations = [
            &mut item.get,
            &mut item.post,
            &mut item.put,
            &mut item.patch,
            &mut item.delete,
        ];
        for operation in operations.into_iter().flatten() {
            if let Some(RefOr::T(body)) = operation.request_body.as_mut() {
                for (kind, content) in &mut body.content {
                    fill(kind, content, "", &schemas);
                }
            }
            for response in operation.responses.responses.values_mut() {
                if let RefOr::T(response) = response {
                    for (kind, content) in &mut response.content {
                        fill(kind, content, &response.description, &schemas);
                    }
                }
            }
        }
    }
    document
}

fn fill(kind: &str, content: &mut RefOr<Content>, description: &str, schemas: &Value) {
    let RefOr::T(content) = content else { return };
    if !JSON_TYPES.contains(&kind) || content.example.is_some() {
        return;
    }
    content.example = if kind == Problem::CONTENT_TYPE {
        problem(description)
    } else {
        serde_json::to_value(&content.schema)
            .ok()
            .and_then(|schema| example_of(&schema, schemas, "", 0))
    };
}

/// Builds a problem with the first code in the response's description.
fn problem(description: &str) -> Option<Value> {
    let named = description.split('`').nth(1)?;
    let code = ErrorCode::ALL.iter().find(|code| code.to_string() == named)?;
    let problem = Problem::new(*code, "what was attempted: what was found");
    serde_json::to_value(problem).ok()
}

/// Builds a value that matches the schema; `None` for a value that only a byte body can have.
fn example_of(schema: &Value, schemas: &Value, name: &str, depth: usize) -> Option<Value> {
    if depth > MAX_DEPTH {
        return None;
    }
    let first = |key: &str| schema.get(key)?.as_array()?.first().cloned();
    if let Some(given) = schema
        .get("example")
        .cloned()
        .or_else(|| first("examples"))
        .or_else(|| first("enum"))
    {
        return Some(given);
    }
    if let Some(reference) = schema.get("$ref").and_then(Value::as_str) {
        let target = reference.rsplit('/').next()?;
        return example_of(schemas.get(target)?, schemas, target, depth + 1);
    }
    if let Some(parts) = schema.get("allOf").and_then(Value::as_array) {
        let mut whole = Map::new();
        for part in parts {
            if let Some(Value::Object(part)) = example_of(part, schemas, name, depth + 1) {
                whole.extend(part);
            }
        }
        return Some(Value::Object(whole));
    }
    for choice in ["oneOf", "anyOf"] {
        if let Some(parts) = schema.get(choice).and_then(Value::as_array) {
            return parts
                .iter()
                .filter(|part| part.get("type").and_then(Value::as_str) != Some("null"))
                .find_map(|part| example_of(part, schemas, name, depth + 1));
        }
    }
    let kind = match schema.get("type") {
        Some(Value::String(kind)) => kind.as_str(),
        Some(Value::Array(kinds)) => kinds
            .iter()
            .filter_map(Value::as_str)
            .find(|kind| *kind != "null")?,
        _ => return None,
    };
    match kind {
        "object" => Some(object(schema, schemas, depth)),
        "array" => {
            let items = schema.get("items");
            let item = items.and_then(|items| example_of(items, schemas, name, depth + 1));
            Some(Value::Array(item.into_iter().collect()))
        }
        "string" => text(schema, name),
        "integer" => Some(json!(
            schema.get("minimum").and_then(Value::as_i64).unwrap_or(0).max(1)
        )),
        "number" => Some(json!(7.5)),
        "boolean" => Some(json!(true)),
        _ => None,
    }
}

fn object(schema: &Value, schemas: &Value, depth: usize) -> Value {
    let mut whole = Map::new();
    let properties = schema.get("properties").and_then(Value::as_object);
    for (name, property) in properties.into_iter().flatten() {
        if let Some(value) = example_of(property, schemas, name, depth + 1) {
            whole.insert(name.clone(), value);
        }
    }
    if whole.is_empty()
        && let Some(value) = schema
            .get("additionalProperties")
            .and_then(|values| example_of(values, schemas, "", depth + 1))
    {
        whole.insert("name".to_owned(), value);
    }
    Value::Object(whole)
}

/// Builds a text for the type of this name, or for the property.
fn text(schema: &Value, name: &str) -> Option<Value> {
    let pattern = schema.get("pattern").and_then(Value::as_str).unwrap_or_default();
    if pattern.contains("blake3:[0-9a-f]{64}") {
        return Some(json!(format!("blake3:{}", "6c31ab20d1f3e455".repeat(4))));
    }
    match schema.get("format").and_then(Value::as_str) {
        Some("date-time") => return Some(json!("2025-01-15T10:30:00.000Z")),
        Some("binary") => return None,
        _ => {}
    }
    Some(json!(match name {
        "SiteSlug" => "site-eu-north-1",
        "SourceName" | "SourcePattern" | "source" => "ghsa",
        "Cursor" => "2025-01-15T10:30:00.000Z#0042",
        "addresses" | "address" | "listen" => "/ip4/192.0.2.7/udp/7946/quic-v1",
        "version" => "1.0.0",
        "vulnerability" | "cve" => "CVE-2024-29041",
        "purl" => "pkg:npm/express@4.17.1",
        "ecosystem" => "npm",
        "package" => "express",
        _ => "text",
    }))
}

#[cfg(test)]
mod tests {
    use serde::de::DeserializeOwned;
    use starling_api_types::{
        ConflictList, FeedImportReport, Health, MuteAdd, Site, SiteAdd, SiteChange, Status,
    };

    use super::*;

    #[test]
    fn every_json_body_has_an_example() {
        let document = serde_json::to_value(crate::document()).unwrap();
        let mut count = 0;
        for operations in document["paths"].as_object().unwrap().values() {
            for operation in operations.as_object().unwrap().values() {
                let responses = operation["responses"].as_object().unwrap().values();
                for body in responses.chain(operation.get("requestBody")) {
                    for kind in JSON_TYPES {
                        let content = &body["content"][kind];
                        // Documents in foreign formats have no example here.
                        let bytes = content["schema"]["format"] == "binary";
                        if content.get("schema").is_some() && !bytes {
                            assert!(content.get("example").is_some(), "{operation:#}");
                            count += 1;
                        }
                    }
                }
            }
        }
        assert!(count > 150, "only {count} bodies");
    }

    #[test]
    fn examples_parse_as_their_types() {
        let document = serde_json::to_value(crate::document()).unwrap();
        let schemas = &document["components"]["schemas"];
        fn read<T: DeserializeOwned>(schemas: &Value, name: &str) {
            let example = example_of(&schemas[name], schemas, name, 0).unwrap();
            if let Err(error) = serde_json::from_value::<T>(example.clone()) {
                panic!("{name}: {error}: {example:#}");
            }
        }
        read::<Site>(schemas, "Site");
        read::<SiteAdd>(schemas, "SiteAdd");
        read::<SiteChange>(schemas, "SiteChange");
        read::<Status>(schemas, "Status");
        read::<Health>(schemas, "Health");
        read::<FeedImportReport>(schemas, "FeedImportReport");
        read::<ConflictList>(schemas, "ConflictList");
        read::<MuteAdd>(schemas, "MuteAdd");
    }
}
