//! Divides an export into several files, each with whole deltas and their bodies.

use std::ops::Range;

use crate::limits::MAX_BUNDLE_PARTS;

use super::error::BundleWriteError;

/// Divides deltas into parts of at most `max_part_bytes`, in order, and returns the delta indexes of each part.
///
/// `weights` gives the bytes of each delta in writing order: its own size plus the size of its bodies. With
/// uncompressed body sizes, every part is certain to stay under the bound; with stored sizes, parts are filled
/// better. Seals and manifests are not counted.
///
/// # Errors
/// [`BundleWriteError::TooMuch`] if a single delta exceeds the bound, or there are too many parts.
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
