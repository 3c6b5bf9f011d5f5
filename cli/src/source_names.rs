//! Names of sources that were probably meant to be another.

use std::collections::BTreeSet;

use starling_api::SiteService;
use starling_api_types::wording::nearest_within;

use crate::local;
use crate::session::note;

/// Letters up to which a name counts as misspelt; of short names fewer.
const MISSPELT_WITHIN: usize = 2;
/// Every source.
const ALL: &str = "*";

/// Notes each name that no preset and no source of this site has, and that is near one that they have. Any name may be a
/// source, so none is refused. The site is only asked if a name is not a preset's.
pub(crate) async fn note_misspelt(site: &dyn SiteService, names: &[&str]) {
    let presets = local::feed_presets();
    let is_preset = |name: &&str| *name == ALL || presets.iter().any(|preset| preset.source == *name);
    if names.iter().all(is_preset) {
        return;
    }
    let Ok(status) = site.status().await else { return };
    let here: Vec<String> = status.feeds.iter().map(|feed| feed.source.to_string()).collect();
    for name in names {
        if let Some(meant) = meant_by(name, &here) {
            note(&format!(
                "no source {name:?} is known here: did you mean {meant}?"
            ));
        }
    }
}

/// Returns the known source that is spelt most like an unknown name.
fn meant_by(name: &str, here: &[String]) -> Option<String> {
    let presets = local::feed_presets();
    let known: BTreeSet<&str> = presets
        .iter()
        .map(|preset| preset.source.as_str())
        .chain(here.iter().map(String::as_str))
        .collect();
    if name == ALL || known.contains(name) {
        return None;
    }
    let bound = |name: &str| MISSPELT_WITHIN.min(name.len().div_ceil(3));
    nearest_within(name, known.iter().copied(), bound).map(str::to_owned)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn misspelt_source_is_noted_and_a_new_one_is_not() {
        let here = ["acme-internal".to_owned()];
        assert_eq!(meant_by("gsha", &here).as_deref(), Some("ghsa"));
        assert_eq!(meant_by("acme-internel", &here).as_deref(), Some("acme-internal"));
        for name in ["ghsa", "acme-internal", "*", "mine"] {
            assert_eq!(meant_by(name, &here), None, "{name}");
        }
    }
}
