//! Syft's own JSON: `artifacts` with package URLs, and the distribution on which they were found.

use std::marker::PhantomData;

use serde::Deserialize;
use serde::de::IgnoredAny;

use super::collect::{Collector, Found};
use super::limited::Limited;
use super::place::read_json as read_json_value;
use super::{ComponentKind, Format, Inventory, Place, SbomError};
use crate::lenient::{Entries, Text, VersionText, or_default};
use crate::origin::{OriginParts, SyftMetadata};

#[derive(Deserialize)]
struct Document {
    #[serde(default, deserialize_with = "or_default")]
    artifacts: Limited<Option<Artifact>>,
    #[serde(default, deserialize_with = "or_default")]
    distro: Distro,
    #[serde(default, deserialize_with = "or_default")]
    schema: Schema,
    #[serde(default, deserialize_with = "or_default")]
    source: Source,
}

#[derive(Deserialize)]
struct Artifact {
    #[serde(default, deserialize_with = "or_default")]
    name: Text,
    #[serde(default, deserialize_with = "or_default")]
    version: VersionText,
    #[serde(default, deserialize_with = "or_default")]
    purl: Text,
    #[serde(default)]
    cpes: Cpes,
    #[serde(default)]
    metadata: SyftMetadata,
    #[serde(rename = "type", default, deserialize_with = "or_default")]
    ty: Text,
}

/// CPE names: texts, or objects with the name in `cpe` since schema 16.
#[derive(Default)]
struct Cpes(Vec<String>);

impl<'de> Deserialize<'de> for Cpes {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        #[derive(Deserialize)]
        #[serde(untagged)]
        enum Entry {
            Text(String),
            Object { cpe: String },
            Other(IgnoredAny),
        }
        let mut found = Vec::new();
        let take = |entry: Entry| match entry {
            Entry::Text(cpe) | Entry::Object { cpe } => found.push(cpe),
            Entry::Other(_) => {}
        };
        deserializer.deserialize_any(Entries(take, PhantomData))?;
        Ok(Self(found))
    }
}

#[derive(Deserialize, Default)]
struct Distro {
    #[serde(default, deserialize_with = "or_default")]
    id: Text,
    #[serde(default, deserialize_with = "or_default")]
    name: Text,
    #[serde(rename = "versionID", default, deserialize_with = "or_default")]
    version_id: Text,
    #[serde(default, deserialize_with = "or_default")]
    version: Text,
}

#[derive(Deserialize, Default)]
struct Schema {
    #[serde(default, deserialize_with = "or_default")]
    version: Text,
}

#[derive(Deserialize, Default)]
struct Source {
    #[serde(default, deserialize_with = "or_default")]
    name: Text,
}

pub(super) fn read_json(bytes: &[u8]) -> Result<Inventory, SbomError> {
    let format = Format::SyftJson;
    let document: Document = read_json_value(bytes).map_err(|(place, reason)| SbomError::Invalid {
        format,
        place,
        reason,
    })?;
    let mut collector = Collector::default();
    // Schema 1 has name and version, later ones os-release's id and VERSION_ID.
    let first = |a: &Text, b: &Text| if a.0.is_empty() { b.0.clone() } else { a.0.clone() };
    let distro = &document.distro;
    collector.operating_system(
        &first(&distro.id, &distro.name),
        &first(&distro.version_id, &distro.version),
    );
    let artifacts = Place::root().child("artifacts");
    for (i, artifact) in document.artifacts.iter().enumerate() {
        let place = artifacts.child(i);
        let Some(artifact) = artifact else {
            collector.add_null(&place);
            continue;
        };
        let purls = collector.purl(&artifact.purl.0, &place).into_iter().collect();
        let found = Found {
            name: &artifact.name.0,
            version: &artifact.version.0,
            purls,
            cpes: artifact.cpes.0.iter().map(String::as_str).collect(),
            kind: ComponentKind::Package,
            place: &place,
        };
        let mut by_type = None;
        OriginParts::take_type(&mut by_type, &artifact.ty.0);
        let origin = OriginParts::finish_first([&artifact.metadata.0, &by_type]);
        collector.add_with(found, origin);
    }
    collector.finish(format, &document.schema.version.0, &document.source.name.0)
}
