//! Dividing an export among several files, each with whole deltas and their bodies.

use std::ops::Range;

use crate::limits::MAX_BUNDLE_PARTS;

use super::error::BundleWriteError;

/// Divides deltas into parts of at most `max_part_bytes`, in order; gives each part's deltas by index.
///
/// `weights` is one number of bytes per delta, in the order in which the deltas are written: its own size
/// and that of the bodies that it brings. Weighing bodies unpacked keeps every part under the bound with
/// certainty; weighing them as stored fills the parts better. Seals and manifests are not counted.
///
/// # Errors
/// [`BundleWriteError::TooMuch`] when one delta alone is over the bound, or there are too many parts.
pub fn plan_parts(
    weights: impl IntoIterator<Item = u64>,
    max_part_bytes: u64,
) -> Result<Vec<Range<usize>>, BundleWriteError> {
    let mut parts: Vec<Range<usize>> = Vec::new();
    let mut filled = 0_u64;
    for (index, weight) in weights.into_iter().enumerate() {
        if weight > max_part_bytes {
            return Err(BundleWriteError::TooMuch {
                what: "one delta with its bodies",
                found: weight,
                limit: max_part_bytes,
                advice: "allow larger parts: a delta is never divided",
            });
        }
        match parts.last_mut() {
            Some(part) if filled.saturating_add(weight) <= max_part_bytes => {
                part.end = index + 1;
                filled += weight;
            }
            _ => {
                parts.push(index..index + 1);
                filled = weight;
            }
        }
    }
    if parts.len() > MAX_BUNDLE_PARTS as usize {
        return Err(BundleWriteError::TooMuch {
            what: "the number of parts",
            found: parts.len() as u64,
            limit: u64::from(MAX_BUNDLE_PARTS),
            advice: "allow larger parts",
        });
    }
    Ok(parts)
}
