//! Lists of a document that are read only up to the limit of a scan.

use std::fmt;
use std::marker::PhantomData;
use std::ops::Deref;

use serde::de::{Deserialize, Deserializer, Error, SeqAccess, Visitor};

use super::MAX_COMPONENTS;

/// A list of at most [`MAX_COMPONENTS`] entries. An empty entry takes three bytes in a document and a hundred times
/// that in memory, so a longer list is refused at the limit and not after it was read completely.
#[derive(Debug)]
pub(super) struct Limited<T>(Vec<T>);

impl<T> Default for Limited<T> {
    fn default() -> Self {
        Self(Vec::new())
    }
}

impl<T> Deref for Limited<T> {
    type Target = [T];

    fn deref(&self) -> &[T] {
        &self.0
    }
}

impl<'a, T> IntoIterator for &'a Limited<T> {
    type Item = &'a T;
    type IntoIter = std::slice::Iter<'a, T>;

    fn into_iter(self) -> Self::IntoIter {
        self.0.iter()
    }
}

impl<'de, T: Deserialize<'de>> Deserialize<'de> for Limited<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct ListVisitor<T>(PhantomData<T>);
        impl<'de, T: Deserialize<'de>> Visitor<'de> for ListVisitor<T> {
            type Value = Limited<T>;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a sequence")
            }

            fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> Result<Self::Value, A::Error> {
                let mut entries = Vec::new();
                while let Some(entry) = list.next_element()? {
                    if entries.len() == MAX_COMPONENTS {
                        return Err(A::Error::custom(format_args!(
                            "the list has more than {MAX_COMPONENTS} entries"
                        )));
                    }
                    entries.push(entry);
                }
                Ok(Limited(entries))
            }
        }
        deserializer.deserialize_seq(ListVisitor(PhantomData))
    }
}

#[cfg(test)]
mod tests {
    use super::super::{MAX_COMPONENTS, read};

    #[test]
    fn lists_are_refused_at_the_limit() {
        let many = "{},".repeat(MAX_COMPONENTS);
        for (head, tail) in [
            (r#"{"spdxVersion":"SPDX-2.3","packages":["#, "{}]}"),
            (
                r#"{"@context":"https://spdx.org/rdf/3.0.1/spdx-context.jsonld","@graph":["#,
                "{}]}",
            ),
            (
                r#"{"schema":{"version":"16.0.0"},"artifacts":["#,
                "{}],\"descriptor\":{}}",
            ),
        ] {
            let error = read(format!("{head}{many}{tail}").as_bytes()).unwrap_err();
            assert!(
                error.to_string().contains("more than 1000000 entries"),
                "{head}: {error}"
            );
        }
    }
}
