//! Values of a policy's keys that may not be left blank.
//!
//! A blank value would mean the same as no key, and a condition with fewer keys holds for more findings: a rule would
//! excuse more than its author wrote.

use serde::de::Error;
use serde::{Deserialize, Deserializer};

/// Reads the value of a key that may be left out; refuses a blank one.
pub(crate) fn given<'de, D, T>(deserializer: D) -> Result<Option<T>, D::Error>
where
    D: Deserializer<'de>,
    T: Deserialize<'de>,
{
    T::deserialize(deserializer).map(Some)
}

/// Reads a list that may be left out; refuses an empty one.
pub(crate) fn list<'de, D, T>(deserializer: D) -> Result<Vec<T>, D::Error>
where
    D: Deserializer<'de>,
    T: Deserialize<'de>,
{
    let list = Vec::deserialize(deserializer)?;
    if list.is_empty() {
        return Err(D::Error::custom(
            "the list is empty; leave its key out, or write what is meant",
        ));
    }
    Ok(list)
}
