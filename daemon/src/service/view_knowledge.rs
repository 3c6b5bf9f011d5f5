//! The view of the store as the scanner's knowledge.

use starling_api::ServiceResult;
use starling_store::ViewReader;

use super::problem::store_problem;

pub(crate) use starling_knowledge::KEV_SOURCE;

/// The store's view, for the scanner.
pub(crate) type ViewKnowledge<'a> = starling_knowledge::ViewKnowledge<'a, ViewReader<'a>>;

/// Returns the knowledge of `reader`'s view.
///
/// # Errors
/// A problem of the store.
pub(crate) fn view_knowledge<'a>(reader: &'a ViewReader<'a>) -> ServiceResult<ViewKnowledge<'a>> {
    let failed = |error| store_problem("reading the view", &error);
    // A check alone is not a catalogue: none of its data may have been accepted here.
    let mut sources = reader.sources().map_err(failed)?.into_iter();
    let held = sources.find(|(source, overview)| source.as_str() == KEV_SOURCE && overview.records > 0);
    Ok(ViewKnowledge::new(
        reader,
        reader.settings(),
        held.map(|(source, _)| source),
    ))
}
