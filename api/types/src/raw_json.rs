//! JSON that is passed on byte for byte.

use std::fmt;

use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;
use utoipa::openapi::RefOr;
use utoipa::openapi::schema::{ObjectBuilder, Schema, SchemaType};
use utoipa::{PartialSchema, ToSchema};

/// One JSON value, stored as its original text, because its bytes are hashed or belong to someone else.
///
/// Two values are equal if their texts are equal.
#[derive(Clone, Serialize, Deserialize)]
#[serde(transparent)]
pub struct RawJson(Box<RawValue>);

impl RawJson {
    /// Stores `text`, which must be one JSON value.
    ///
    /// # Errors
    /// If `text` is not JSON.
    pub fn new(text: String) -> Result<Self, serde_json::Error> {
        RawValue::from_string(text).map(Self)
    }

    /// Writes `value` as JSON once and stores the text.
    ///
    /// # Errors
    /// If `value` cannot be written as JSON, such as a map with keys that are not text.
    pub fn of(value: &impl Serialize) -> Result<Self, serde_json::Error> {
        serde_json::value::to_raw_value(value).map(Self)
    }

    /// Returns `null`.
    pub fn null() -> Self {
        Self(RawValue::NULL.to_owned())
    }

    /// Returns the text.
    pub fn as_str(&self) -> &str {
        self.0.get()
    }
}

impl PartialEq for RawJson {
    fn eq(&self, other: &Self) -> bool {
        self.as_str() == other.as_str()
    }
}

impl Eq for RawJson {}

impl fmt::Debug for RawJson {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl PartialSchema for RawJson {
    fn schema() -> RefOr<Schema> {
        ObjectBuilder::new()
            .schema_type(SchemaType::AnyValue)
            .description(Some("Any JSON value."))
            .into()
    }
}

impl ToSchema for RawJson {}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bytes_round_trip_inside_another_document() {
        let text = r#"{"b": 1.0, "a":9007199254740993 }"#;
        let outer = format!(r#"{{"verdict":{text}}}"#);
        #[derive(Serialize, Deserialize)]
        struct Outer {
            verdict: RawJson,
        }
        let parsed: Outer = serde_json::from_str(&outer).unwrap();
        assert_eq!(parsed.verdict.as_str(), text);
        assert_eq!(serde_json::to_string(&parsed).unwrap(), outer);
        assert!(RawJson::new("{".to_owned()).is_err());
    }
}
