//! `starling sbom …`: shows a document as a scan reads it.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::io::Read;
use std::path::{Path, PathBuf};

use bytes::Bytes;
use clap::{Args, Subcommand};
use serde::Serialize;
use starling_api::file_problem;
use starling_api_types::{ErrorCode, ExitStatus, Problem, wording};
use starling_scanner::sbom::{self, ComponentKind, GenerateOptions, Inventory, MAX_SBOM_BYTES};

use super::batch::{Answer, Batch};
use super::{Outcome, input};
use crate::local::{blocking, generate_sbom, is_ecosystem, nearest_ecosystem};
use crate::output::{STANDARD, write_stream};
use crate::outputs;
use crate::render::{lines, plain};
use crate::session::Session;

/// Inspect and generate SBOMs
#[derive(Debug, Subcommand)]
pub(crate) enum Sbom {
    Inspect(Inspect),
    Generate(Generate),
}

/// Generate an SBOM from packages that the site has advisories about, for trials and benchmarks
#[derive(Debug, Args)]
#[command(after_help = "\
Writes CycloneDX JSON. The same knowledge, options and seed give the same bytes at every site. Packages are drawn evenly
from the site's match index. --affected is the percentage of components whose version some advisory affects; no
advisory affects the others.

Example:
  starling sbom generate --components 5000 -o large.json
  starling sbom generate --components 100 --affected 0 \\
      --ecosystem npm --ecosystem Debian | starling scan -

Exit codes: 0 generated, 2 usage or no matching packages, 6 not reachable or locked, 12 disk full")]
pub(crate) struct Generate {
    /// Number of components
    #[arg(long, value_name = "NUMBER", default_value_t = 100, value_parser = clap::value_parser!(u32).range(1..=1_000_000))]
    components: u32,
    /// Percentage of components that are affected by an advisory
    #[arg(long, value_name = "PERCENT", default_value_t = 5, value_parser = clap::value_parser!(u8).range(0..=100))]
    affected: u8,
    /// Seed; another seed gives another document
    #[arg(long, value_name = "NUMBER", default_value_t = 1)]
    seed: u64,
    /// Use packages of this ecosystem only, as in npm or Debian:12; may be repeated. Default: all ecosystems
    #[arg(long = "ecosystem", value_name = "NAME")]
    ecosystems: Vec<String>,
    /// Output file; `-` is standard output
    #[arg(short, long, value_name = "FILE|-", default_value = STANDARD)]
    output: PathBuf,
}

/// Show what a scan reads from a document: format, packages, and skipped parts
#[derive(Debug, Args)]
#[command(after_help = "\
The format is detected from the content. A document that breaks its format is rejected, with the JSON pointer or the
line. Counted are the packages, as in a scan: also a file or the like with a package URL or a CPE name. Named apart are other
files and the document's subject, which a scan counts if an advisory is about it. --json lists
every component with its kind.

Example:
  starling sbom inspect sbom.json
  ls boms/* | starling sbom inspect --batch

Exit codes: 0 read (in a batch: every line answered), 2 usage or no such file, 3 rejected")]
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
    /// Package URLs of packages by their type.
    purl_types: BTreeMap<String, u64>,
    components: Vec<ShownComponent>,
    notes: Vec<ShownNote>,
}

#[derive(Debug, Serialize)]
struct ShownComponent {
    name: String,
    version: Option<String>,
    purl: Option<String>,
    /// CPE names, if no package URL can speak for it.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    cpes: Vec<String>,
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
            .filter(|component| component.kind == ComponentKind::Package)
            .filter_map(|component| component.purl.as_ref())
        {
            *purl_types.entry(purl.ty().to_owned()).or_default() += 1;
        }
        let components = inventory.components.into_iter().map(|component| ShownComponent {
            name: component.name,
            version: component.version,
            purl: component.purl.map(|purl| purl.to_string()),
            cpes: component.cpes.iter().flatten().map(ToString::to_string).collect(),
            kind: match component.kind {
                ComponentKind::Package => PACKAGE,
                ComponentKind::Subject => SUBJECT,
                ComponentKind::Other => OTHER,
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
    /// Returns the packages, which a scan judges. A file and the like counts there if it can be looked up, and here.
    fn packages(&self) -> impl Iterator<Item = &ShownComponent> {
        self.components.iter().filter(|component| {
            component.kind == PACKAGE || (component.kind == OTHER && component.is_looked_up())
        })
    }

    /// Returns true if a scan looks the subject up, and counts it if it finds something.
    fn has_subject_to_look_up(&self) -> bool {
        let mut subjects = self.components.iter().filter(|one| one.kind == SUBJECT);
        subjects.any(ShownComponent::is_looked_up)
    }

    fn count(&self, test: impl Fn(&ShownComponent) -> bool) -> usize {
        self.packages().filter(|component| test(component)).count()
    }

    /// Returns how many components are not packages, by kind.
    fn others(&self) -> String {
        let of = |kind: &str| self.components.iter().filter(|one| one.kind == kind).count();
        let others = self.components.iter().filter(|one| one.kind == OTHER);
        let others = others.filter(|one| !one.is_looked_up()).count();
        let told = match (of(SUBJECT), others) {
            (0, 0) => "none".to_owned(),
            (0, others) => format!("{others}, such as files"),
            (1, 0) => "the subject".to_owned(),
            (1, others) => format!("the subject, and {others} such as files"),
            (subjects, 0) => format!("{subjects} subjects"),
            (subjects, others) => format!("{subjects} subjects, and {others} such as files"),
        };
        if self.has_subject_to_look_up() {
            return format!(
                "{told}; a scan looks the subject up too, and counts it if an advisory is about it"
            );
        }
        told
    }
}

impl ShownComponent {
    /// Returns true if a scan can look it up.
    fn is_looked_up(&self) -> bool {
        self.purl.is_some() || !self.cpes.is_empty()
    }
}

const PACKAGE: &str = "package";
const SUBJECT: &str = "subject";
const OTHER: &str = "other";

impl Answer for Shown {
    fn columns(&self) -> Vec<Cow<'_, str>> {
        let format = format!("{} {}", self.format, self.spec_version);
        let purls = self.count(|component| component.purl.is_some());
        let columns = [
            format.trim().to_owned(),
            format!("{} packages", self.packages().count()),
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
            ("packages", self.packages().count().to_string()),
            ("not packages", self.others()),
            (
                "without version",
                self.count(|component| component.version.is_none()).to_string(),
            ),
            (
                "without package URL",
                self.count(|component| component.purl.is_none()).to_string(),
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
            Some(file) if file == STANDARD || !args.batch.is_on() => {
                session.print(&inspect(file)?, Answer::text)?;
                Ok(ExitStatus::Pass)
            }
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
        outputs::check(session.home(), [], [self.output.as_path()])?;
        for name in &self.ecosystems {
            ensure_ecosystem(name)?;
        }
        let options = GenerateOptions {
            components: usize::try_from(self.components).unwrap_or(usize::MAX),
            affected_percent: self.affected,
            seed: self.seed,
            ecosystems: self.ecosystems.clone(),
        };
        let _step = session.step("Generating the SBOM");
        let home = session.home().to_owned();
        let document = blocking("generating an SBOM", move || generate_sbom(&home, &options)).await?;
        let document = futures::stream::once(async { Ok(Bytes::from(document)) });
        write_stream(&self.output, Box::pin(document)).await?;
        Ok(ExitStatus::Pass)
    }
}

/// Refuses the name of an ecosystem that no package can have.
fn ensure_ecosystem(name: &str) -> Result<(), Problem> {
    if is_ecosystem(name) {
        return Ok(());
    }
    let detail = format!("generating an SBOM: no ecosystem {name:?} is known");
    Err(
        Problem::new(ErrorCode::BadRequest, detail).hint(match nearest_ecosystem(name) {
            Some(meant) => format!("did you mean {meant}?"),
            None => "docs/ecosystems.md lists the ecosystems".to_owned(),
        }),
    )
}

fn inspect(file: &str) -> Result<Shown, Problem> {
    let bytes = read(file)?;
    let inventory = sbom::read(&bytes).map_err(|error| {
        let why = wording::within(&error.to_string());
        Problem::new(ErrorCode::InputUnreadable, format!("{file}: {why}"))
    })?;
    Ok(Shown::from(inventory))
}

/// Inspects the document named in a batch line. Standard input holds the questions and is locked meanwhile.
fn asked(file: &str) -> Result<Shown, String> {
    if file == STANDARD {
        return Err(
            "standard input holds the questions and cannot also be a document: give a file".to_owned(),
        );
    }
    inspect(file).map_err(|problem| problem.detail.clone())
}

/// Reads the whole document. Stops as soon as it is too large.
fn read(file: &str) -> Result<Vec<u8>, Problem> {
    let path = Path::new(file);
    if file != STANDARD {
        return input::read_file(path, "the SBOM", MAX_SBOM_BYTES as u64);
    }
    let mut bytes = Vec::new();
    let mut read = std::io::stdin().lock().take(MAX_SBOM_BYTES as u64 + 1);
    read.read_to_end(&mut bytes)
        .map_err(|error| file_problem("reading", path, &error))?;
    Ok(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn misspelt_ecosystem_is_refused_with_the_nearest() {
        let hint = |name: &str| ensure_ecosystem(name).unwrap_err().hint.clone().unwrap();
        assert_eq!(hint("npn"), "did you mean npm?");
        assert!(hint("Zzzzzzzz").contains("docs/ecosystems.md"));
        ensure_ecosystem("Debian:12").unwrap();
    }

    #[test]
    fn broken_document_is_refused_with_its_place() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("bom");
        let path = file.to_str().unwrap();
        std::fs::write(
            &file,
            r#"{"bomFormat":"CycloneDX","specVersion":"1.5","metadata":{"component":{"type":"application","name":"app",
                "version":"1","purl":"pkg:npm/app@1"}},"components":[{"type":"file","name":"f"},
                {"type":"file","name":"g","version":"1","purl":"pkg:generic/g@1"},{"type":"library","name":"a","version":"1","purl":"pkg:npm/a@1"},{"type":"library","name":"b"}]}"#,
        )
        .unwrap();
        let shown = inspect(path).unwrap();
        assert_eq!(
            shown.line(),
            "CycloneDX JSON 1.5\t3 packages\t2 package URLs\t0 notes"
        );
        assert!(
            shown.text().contains("without version      1"),
            "{}",
            shown.text()
        );
        assert!(
            shown.text().contains(
                "not packages         the subject, and 1 such as files; a scan looks the subject up too"
            ),
            "{}",
            shown.text()
        );
        std::fs::write(
            &file,
            r#"{"bomFormat":"CycloneDX","specVersion":"1.5","components":{}}"#,
        )
        .unwrap();
        let problem = inspect(path).unwrap_err();
        assert!(
            problem
                .detail
                .ends_with("expected a list, got keys with values (at /components)"),
            "{problem}"
        );
    }

    #[test]
    fn batch_document_cannot_be_standard_input() {
        assert!(asked(STANDARD).unwrap_err().starts_with("standard input holds"));
    }
}
