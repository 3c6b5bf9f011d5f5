//! `starling sbom …`: what a document holds, as a scan reads it.

use std::collections::BTreeMap;
use std::io::Read;
use std::path::Path;

use clap::{Args, Subcommand};
use serde::Serialize;
use starling_api::file_problem;
use starling_scanner::sbom::{self, ComponentKind, Inventory, MAX_SBOM_BYTES};

use super::Outcome;
use super::batch::{Answer, Batch, one};
use crate::output::STANDARD;
use crate::render::{lines, plain};
use crate::session::Session;

/// SBOMs and lockfiles
#[derive(Debug, Subcommand)]
pub(crate) enum Sbom {
    Inspect(Inspect),
}

/// Show what a scan reads from a document: format, components, and what was passed over
#[derive(Debug, Args)]
#[command(after_help = "\
The format is told from the content. A document that breaks it is refused with the JSON pointer or the line.
--json lists every component.

Example:
  starling sbom inspect sbom.json
  ls boms/* | starling sbom inspect --batch

Exit codes: 0 read (in a batch: every line answered), 2 usage, 3 refused")]
pub(crate) struct Inspect {
    /// The document; `-` is standard input
    #[arg(value_name = "FILE|-")]
    file: Option<String>,
    #[command(flatten)]
    batch: Batch,
}

#[derive(Debug, Serialize)]
struct Shown {
    format: &'static str,
    spec_version: String,
    subject: Option<String>,
    distro: Option<String>,
    /// Package URLs by their type.
    purl_types: BTreeMap<String, u64>,
    components: Vec<ShownComponent>,
    notes: Vec<ShownNote>,
}

#[derive(Debug, Serialize)]
struct ShownComponent {
    name: String,
    version: Option<String>,
    purl: Option<String>,
    kind: &'static str,
    place: String,
}

#[derive(Debug, Serialize)]
struct ShownNote {
    place: String,
    text: String,
}

impl From<Inventory> for Shown {
    fn from(inventory: Inventory) -> Self {
        let mut purl_types = BTreeMap::new();
        for purl in inventory
            .components
            .iter()
            .filter_map(|component| component.purl.as_ref())
        {
            *purl_types.entry(purl.ty().to_owned()).or_default() += 1;
        }
        let components = inventory.components.into_iter().map(|component| ShownComponent {
            name: component.name,
            version: component.version,
            purl: component.purl.map(|purl| purl.to_string()),
            kind: match component.kind {
                ComponentKind::Package => "package",
                ComponentKind::Subject => "subject",
                ComponentKind::Other => "other",
            },
            place: component.place.to_string(),
        });
        let notes = inventory.notes.into_iter().map(|note| ShownNote {
            place: note.place.to_string(),
            text: note.text,
        });
        Self {
            format: inventory.format.as_str(),
            spec_version: inventory.spec_version,
            subject: inventory.subject,
            distro: inventory.distro,
            purl_types,
            components: components.collect(),
            notes: notes.collect(),
        }
    }
}

impl Shown {
    fn count(&self, test: impl Fn(&ShownComponent) -> bool) -> String {
        self.components
            .iter()
            .filter(|component| test(component))
            .count()
            .to_string()
    }
}

impl Answer for Shown {
    fn line(&self) -> String {
        let format = format!("{} {}", self.format, self.spec_version);
        let purls = self.count(|component| component.purl.is_some());
        format!(
            "{}\t{} components\t{purls} package URLs\t{} notes",
            format.trim(),
            self.components.len(),
            self.notes.len()
        )
    }

    fn text(&self) -> String {
        let types: Vec<_> = self
            .purl_types
            .iter()
            .map(|(ty, count)| format!("{ty} {count}"))
            .collect();
        let dash = || "-".to_owned();
        let mut text = lines([
            ("format", format!("{} {}", self.format, self.spec_version)),
            ("subject", self.subject.clone().unwrap_or_else(dash)),
            ("distribution", self.distro.clone().unwrap_or_else(dash)),
            ("components", self.components.len().to_string()),
            (
                "without version",
                self.count(|component| component.version.is_none()),
            ),
            (
                "without package URL",
                self.count(|component| component.purl.is_none()),
            ),
            ("package URLs", types.join(", ")),
            ("passed over", self.notes.len().to_string()),
        ]);
        for note in &self.notes {
            text.push_str(&format!("  {}: {}\n", plain(&note.place), plain(&note.text)));
        }
        text
    }
}

impl Sbom {
    pub(crate) fn run(&self, session: &Session) -> Outcome {
        let Self::Inspect(args) = self;
        match args.file.as_deref() {
            Some(STANDARD) => one(session, inspect(STANDARD)),
            file => {
                let files: Vec<_> = file.into_iter().map(str::to_owned).collect();
                args.batch.run(session, &["file"], 1, &files, |fields| {
                    inspect(fields.text("file")?)
                })
            }
        }
    }
}

fn inspect(file: &str) -> Result<Shown, String> {
    let bytes = read(file)?;
    let inventory = sbom::read(&bytes).map_err(|error| format!("{file}: {error}"))?;
    Ok(Shown::from(inventory))
}

/// The whole document; one that is too large is read no further than shows it.
fn read(file: &str) -> Result<Vec<u8>, String> {
    let path = Path::new(file);
    let mut bytes = Vec::new();
    let limit = MAX_SBOM_BYTES as u64 + 1;
    let read = if file == STANDARD {
        std::io::stdin().lock().take(limit).read_to_end(&mut bytes)
    } else {
        std::fs::File::open(path).and_then(|open| open.take(limit).read_to_end(&mut bytes))
    };
    read.map_err(|error| file_problem("reading", path, &error).detail.clone())?;
    Ok(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_document_is_summed_up_and_a_broken_one_refused_with_its_place() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("bom");
        let path = file.to_str().unwrap();
        std::fs::write(
            &file,
            r#"{"bomFormat":"CycloneDX","specVersion":"1.5","components":[
                {"type":"library","name":"a","version":"1","purl":"pkg:npm/a@1"},{"type":"library","name":"b"}]}"#,
        )
        .unwrap();
        let shown = inspect(path).unwrap();
        assert_eq!(
            shown.line(),
            "CycloneDX JSON 1.5\t2 components\t1 package URLs\t0 notes"
        );
        assert!(
            shown.text().contains("without version      1"),
            "{}",
            shown.text()
        );
        std::fs::write(
            &file,
            r#"{"bomFormat":"CycloneDX","specVersion":"1.5","components":{}}"#,
        )
        .unwrap();
        assert!(inspect(path).unwrap_err().contains("/components"));
    }
}
