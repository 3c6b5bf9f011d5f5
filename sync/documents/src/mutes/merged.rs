//! The document as Automerge merges it: for other tools, and to check the fold against.

use std::collections::BTreeMap;

use automerge::{Automerge, ReadDoc, ScalarValue, Value};

use super::GENESIS;

/// Changes that Automerge refuses although the strict decoder accepted them.
#[derive(Debug, thiserror::Error)]
pub enum MergeError {
    /// A change does not decode.
    #[error("Automerge cannot read a change")]
    Read(#[source] Box<automerge::LoadChangeError>),
    /// The changes do not go together.
    #[error("Automerge cannot merge the changes")]
    Merge(#[source] Box<automerge::AutomergeError>),
    /// Some change follows others that are not among them.
    #[error("some changes follow others that are not among them")]
    Incomplete,
}

/// A document's entries: by map and key, each field and its value as text.
pub type MergedEntries = BTreeMap<(String, String), BTreeMap<String, String>>;

pub(super) fn load<'a>(changes: impl Iterator<Item = &'a [u8]>) -> Result<Automerge, MergeError> {
    let mut read = Vec::new();
    for bytes in changes {
        let change = automerge::Change::try_from(bytes);
        read.push(change.map_err(|error| MergeError::Read(Box::new(error)))?);
    }
    let count = read.len();
    let mut document = Automerge::new();
    document
        .apply_changes(read)
        .map_err(|error| MergeError::Merge(Box::new(error)))?;
    if document.get_changes(&[]).len() != count {
        return Err(MergeError::Incomplete);
    }
    Ok(document)
}

/// Returns the document that the genesis and `changes` make, in Automerge's own file format, for any tool that
/// reads it. Pass only changes that [`crate::graph::Graph`] applied, because Automerge trusts them.
///
/// # Errors
/// [`MergeError`].
pub fn merged_document<'a>(changes: impl IntoIterator<Item = &'a [u8]>) -> Result<Vec<u8>, MergeError> {
    Ok(load([GENESIS].into_iter().chain(changes))?.save())
}

/// Returns the entries that Automerge reads after merging the genesis and `changes`, with the same
/// precondition.
///
/// # Errors
/// [`MergeError`].
pub fn merged_entries<'a>(changes: impl IntoIterator<Item = &'a [u8]>) -> Result<MergedEntries, MergeError> {
    let document = load([GENESIS].into_iter().chain(changes))?;
    let failed = |error| MergeError::Merge(Box::new(error));
    let mut entries = MergedEntries::new();
    for map in document.keys(automerge::ROOT) {
        let Some((_, object)) = document.get(automerge::ROOT, map.as_str()).map_err(failed)? else {
            continue;
        };
        for key in document.keys(&object) {
            let Some((_, entry)) = document.get(&object, key.as_str()).map_err(failed)? else {
                continue;
            };
            let mut fields = BTreeMap::new();
            for field in document.keys(&entry) {
                // Read all values: more than one would be a conflict.
                for (value, _) in document.get_all(&entry, field.as_str()).map_err(failed)? {
                    let text = match value {
                        Value::Scalar(scalar) => match scalar.as_ref() {
                            ScalarValue::Str(text) => text.to_string(),
                            ScalarValue::Timestamp(time) => time.to_string(),
                            other => format!("{other:?}"),
                        },
                        Value::Object(kind) => format!("{kind:?}"),
                    };
                    let before = fields.insert(field.clone(), text);
                    if let Some(before) = before {
                        fields.insert(format!("{field} (conflict)"), before);
                    }
                }
            }
            entries.insert((map.clone(), key), fields);
        }
    }
    Ok(entries)
}
