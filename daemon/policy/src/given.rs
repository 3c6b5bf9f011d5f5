//! Values of a policy's keys that may not be left blank.
//!
//! A blank value would mean the same as no key, and a condition with fewer keys holds for more findings: a rule would
//! excuse more than its author wrote.

use serde::de::Error;
use serde::{Deserialize, Deserializer};
use starling_scanner::ecosystem::names_of_findings;
use starling_scanner::name::ecosystem_base;

use crate::glob::Glob;

/// Longest text of a policy in a message, in characters.
const SHOWN_CHARS: usize = 40;

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

/// Reads a list of ecosystems: the names that findings have, in any spelling of capitals. A name that no finding can
/// have is refused, because a condition with it would never hold; patterns are taken as they are.
pub(crate) fn ecosystems<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Vec<Glob>, D::Error> {
    let list: Vec<Glob> = list(deserializer)?;
    list.into_iter().map(known_ecosystem).collect()
}

fn known_ecosystem<E: Error>(written: Glob) -> Result<Glob, E> {
    let text = written.as_str();
    let base = ecosystem_base(text);
    if base.contains(['*', '?']) {
        return Ok(written);
    }
    let known = names_of_findings()
        .iter()
        .find(|name| name.eq_ignore_ascii_case(base))
        .ok_or_else(|| E::custom(unknown_ecosystem(base)))?;
    let suffix = text.get(base.len()..).unwrap_or_default();
    Glob::new(&format!("{known}{suffix}")).map_err(E::custom)
}

/// Says that no finding has an ecosystem, and which names begin like it.
fn unknown_ecosystem(base: &str) -> String {
    let first = |name: &str| name.chars().next().map(|c| c.to_ascii_lowercase());
    let alike: Vec<&str> = names_of_findings()
        .iter()
        .copied()
        .filter(|name| first(name) == first(base))
        .collect();
    let shown: String = base.chars().take(SHOWN_CHARS).collect();
    if alike.is_empty() {
        return format!(
            "no finding is of the ecosystem {shown:?}; names are those of the OSV schema, such as npm, PyPI or Debian:12"
        );
    }
    format!(
        "no finding is of the ecosystem {shown:?}; it may be {}",
        alike.join(", ")
    )
}
