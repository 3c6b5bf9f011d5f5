//! The sources that this version knows how to fetch, in the API's words.

use starling_api_types::FeedPreset;
use starling_fetch::Access;

/// Returns every preset, sorted by name.
#[must_use]
pub fn feed_presets() -> Vec<FeedPreset> {
    starling_fetch::presets().iter().map(shown).collect()
}

fn shown(preset: &starling_fetch::Preset) -> FeedPreset {
    let access = match preset.access {
        Access::Open => None,
        Access::KeyHelps => Some("a key makes it faster: --api-key-file"),
        Access::KeyNeeded => Some("it needs a key: --api-key-file"),
        Access::AddressNeeded => Some("it needs the address of a provider: --address"),
        Access::LocalOnly => Some(
            "it can be downloaded only by a person who logs in: --address names the folder with the files",
        ),
        _ => None,
    };
    let licence = format!("licence: {}", preset.licence);
    let parameter = preset
        .parameter
        .map(|parameter| format!("--parameter: {parameter}"));
    let notes = access
        .map(str::to_owned)
        .into_iter()
        .chain(parameter)
        .chain([licence])
        .chain(Some(preset.notes.to_owned()).filter(|notes| !notes.is_empty()));
    FeedPreset {
        name: preset.name.to_owned(),
        title: preset.title.to_owned(),
        source: preset.source.to_owned(),
        kind: preset.kind.to_owned(),
        schedule: preset.schedule.to_owned(),
        ecosystems: preset
            .ecosystems()
            .iter()
            .map(|name| (*name).to_owned())
            .collect(),
        notes: notes.collect(),
    }
}
