//! `starling sbom …`: what a document holds, as a scan reads it.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::io::Read;
use std::path::{Path, PathBuf};

use bytes::Bytes;
use clap::{Args, Subcommand};
use serde::Serialize;
use starling_api::file_problem;
use starling_api_types::ExitStatus;
use starling_scanner::sbom::{self, ComponentKind, Inventory, MAX_SBOM_BYTES, Wish};

use super::batch::{Answer, Batch, one};
use super::{Outcome, input};
use crate::local::{blocking, generate_sbom};
use crate::output::{STANDARD, write_stream};
use crate::render::{lines, plain};
use crate::session::Session;

/// SBOMs and lockfiles
#[derive(Debug, Subcommand)]
pub(crate) enum Sbom {
    Inspect(Inspect),
    Generate(Generate),
}

/// Make an SBOM of packages that the site knows advisories about, for trials and benchmarks
#[derive(Debug, Args)]
#[command(after_help = "\
A CycloneDX document in JSON. The same knowledge, options and seed make the same bytes, at every site.
Packages are drawn evenly from all that the site's match index has; of --affected of a hundred the version is one
that some advisory affects, of the others one that none does.

Example:
  starling sbom generate --components 5000 -o large.json
  starling sbom generate --components 100 --affected 0 --ecosystem npm --ecosystem Debian | starling scan -

Exit codes: 0 made, 2 usage or nothing that fits, 6 not reachable or locked, 12 disk full")]
pub(crate) struct Generate {
    /// How many components
    #[arg(long, value_name = "NUMBER", default_value_t = 100, value_parser = clap::value_parser!(u32).range(1..=1_000_000))]
    components: u32,
    /// How many in a hundred are affected by something
    #[arg(long, value_name = "PERCENT", default_value_t = 5, value_parser = clap::value_parser!(u8).range(0..=100))]
    affected: u8,
    /// Another seed makes another document
    #[arg(long, value_name = "NUMBER", default_value_t = 1)]
    seed: u64,
    /// Take packages of this ecosystem, as in npm or Debian:12; can be given several times; all when absent
    #[arg(long = "ecosystem", value_name = "NAME")]
    ecosystems: Vec<String>,
    /// Where to write it; `-` is standard output
    #[arg(short, long, value_name = "FILE|-", default_value = STANDARD)]
    output: PathBuf,
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
    fn columns(&self) -> Vec<Cow<'_, str>> {
        let format = format!("{} {}", self.format, self.spec_version);
        let purls = self.count(|component| component.purl.is_some());
        let columns = [
            format.trim().to_owned(),
            format!("{} components", self.components.len()),
            format!("{purls} package URLs"),
            format!("{} notes", self.notes.len()),
        ];
        columns.map(Cow::from).to_vec()
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
    pub(crate) async fn run(&self, session: &Session) -> Outcome {
        let args = match self {
            Self::Inspect(args) => args,
            Self::Generate(args) => return args.run(session).await,
        };
        match args.file.as_deref() {
            Some(STANDARD) => one(session, inspect(STANDARD)),
            file => {
                let files: Vec<_> = file.into_iter().map(str::to_owned).collect();
                args.batch.run(session, &["file"], 1, &files, |fields| {
                    asked(fields.text("file")?)
                })
            }
        }
    }
}

impl Generate {
    async fn run(&self, session: &Session) -> Outcome {
        let wish = Wish {
            components: usize::try_from(self.components).unwrap_or(usize::MAX),
            affected_percent: self.affected,
            seed: self.seed,
            ecosystems: self.ecosystems.clone(),
        };
        let _step = session.step("Making the SBOM");
        let home = session.home().to_owned();
        let document = blocking("making an SBOM", move || generate_sbom(&home, &wish)).await?;
        let document = futures::stream::once(async { Ok(Bytes::from(document)) });
        write_stream(&self.output, Box::pin(document)).await?;
        Ok(ExitStatus::Pass)
    }
}

fn inspect(file: &str) -> Result<Shown, String> {
    let bytes = read(file)?;
    let inventory = sbom::read(&bytes).map_err(|error| format!("{file}: {error}"))?;
    Ok(Shown::from(inventory))
}

/// The document that a line of a batch names. The questions have standard input, which is locked while they are read.
fn asked(file: &str) -> Result<Shown, String> {
    if file == STANDARD {
        return Err("standard input holds the questions, and no document besides".to_owned());
    }
    inspect(file)
}

/// The whole document; one that is too large is read no further than shows it.
fn read(file: &str) -> Result<Vec<u8>, String> {
    let path = Path::new(file);
    if file != STANDARD {
        return input::read_file(path, "the SBOM", MAX_SBOM_BYTES as u64)
            .map_err(|problem| problem.detail.clone());
    }
    let mut bytes = Vec::new();
    let mut read = std::io::stdin().lock().take(MAX_SBOM_BYTES as u64 + 1);
    read.read_to_end(&mut bytes)
        .map_err(|error| file_problem("reading", path, &error).detail.clone())?;
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

    #[test]
    fn standard_input_is_no_document_of_a_batch() {
        assert!(asked(STANDARD).unwrap_err().starts_with("standard input holds"));
    }
}
